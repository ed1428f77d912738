#include "catalog/setting.h"

#include <array>

namespace headrace {
namespace {

constexpr std::array settings{
    Setting{"engine.shards", SettingKind::integer, "Threads that run the pipeline; 0 = one per core."},
    Setting{"engine.state", SettingKind::text, "The state directory, relative to the project; .headrace when not set."},
    Setting{"engine.checkpoint_interval_ms", SettingKind::integer, "Time between two checkpoints, in milliseconds."},
    Setting{"engine.state_memory_bytes", SettingKind::integer,
            "State held in memory; what is beyond moves to the disk. Half of what the process may use when not set."},
    Setting{"engine.source_drift_ms", SettingKind::integer,
            "How far a split that catches up may be ahead of the slowest it is read together with, in milliseconds of "
            "event "
            "time; -1 = as far as it likes. 60000 when not set."},
    Setting{"engine.python", SettingKind::text, "The interpreter that has the headrace package."},
    Setting{"engine.speed", SettingKind::real, "Speed of replay sources; overrides their own."},
    Setting{"engine.optimize", SettingKind::boolean,
            "false runs the plan as other engines get it; the answers are the same. true when not set."},
    Setting{"server.listen", SettingKind::text, "HOST:PORT of the HTTP server; port 0 = any free one."},
    Setting{"server.allowed_hosts", SettingKind::texts, "Further names that a request's Host header may have."},
    Setting{"server.max_body_bytes", SettingKind::integer, "Longest body of a request, also after decompression."},
    Setting{"server.connections_max", SettingKind::integer, "Connections at one time."},
    Setting{"server.query_timeout_ms", SettingKind::integer, "Longest time that an ad-hoc query may take."},
    Setting{"server.query_rows_max", SettingKind::integer, "Rows of an answer; more is an error."},
    Setting{"server.query_memory_bytes", SettingKind::integer, "Memory of all ad-hoc queries together."},
    Setting{"server.queries_max", SettingKind::integer, "Ad-hoc queries at one time."},
};

}  // namespace

std::span<const Setting> all_settings() {
  return settings;
}

}  // namespace headrace
