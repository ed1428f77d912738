#include "run/checkpoint.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <simdjson.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/json_text.h"

namespace headrace {
namespace {

constexpr const char* manifest_name = "checkpoint.json";
constexpr const char* commits_name = "commits";
constexpr int64_t manifest_format = 5;

Error corrupt(const std::string& what) {
  return {Code::corrupt_state, Blame::environment, Retry::never, what,
          "restore the state directory from a copy, or start with a new one"};
}

std::string texts_json(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) out += (out.size() > 1 ? "," : "") + json_string(text);
  return out + "]";
}

std::string table_json(const TableRecord& table) {
  return fmt::format(
      "{{\"node\":{},\"table\":{},\"name\":{},\"names\":{},\"key\":{},\"values\":{},\"plain_bytes\":{}}}", table.node,
      table.table, json_string(table.name), texts_json(table.names), texts_json(table.key), texts_json(table.values),
      table.plain_bytes);
}

std::vector<std::string> texts_of(simdjson::dom::element list) {
  std::vector<std::string> out;
  for (simdjson::dom::element text : simdjson::dom::array(list)) out.emplace_back(std::string_view(text));
  return out;
}

TableRecord table_of(simdjson::dom::element table) {
  return {static_cast<uint32_t>(uint64_t(table["node"])),
          static_cast<uint32_t>(uint64_t(table["table"])),
          std::string(std::string_view(table["name"])),
          texts_of(table["names"]),
          texts_of(table["key"]),
          texts_of(table["values"]),
          uint64_t(table["plain_bytes"])};
}

/// The widths of rows are 4-byte words in their images.
bool has_sound_widths(const std::vector<TableRecord>& tables) {
  return std::all_of(tables.begin(), tables.end(), [](const TableRecord& t) { return t.plain_bytes <= UINT32_MAX; });
}

}  // namespace

std::string Manifest::json() const {
  std::string out = fmt::format(
      "{{\"format\":{},\"lineage\":{},\"plan\":{},\"generation\":{},\"epoch\":{},\"tick\":{},\"now_us\":{},"
      "\"quarantine_next\":{},"
      "\"shards\":{}",
      manifest_format, json_string(lineage), json_string(plan), generation, epoch.value, tick.value, now_us,
      quarantine_next, shards);
  out += ",\"sources\":{";
  const char* comma = "";
  for (const auto& [name, source] : sources) {
    std::vector<std::string> splits;
    for (const SplitCheckpoint& split : source.splits)
      splits.push_back(fmt::format("{{\"name\":{},\"watermark_ms\":{},\"ended\":{}}}", json_string(split.name),
                                   split.watermark.ms, split.ended));
    out += fmt::format(
        "{}{}:{{\"position\":{},\"read\":{},\"accepted\":{},\"quarantined\":{},\"ended\":{},\"splits\":[{}]}}", comma,
        json_string(name), json_string(source.position), source.records_read, source.records_accepted,
        source.records_quarantined, source.ended, fmt::join(splits, ","));
    comma = ",";
  }
  out += "},\"sinks\":{";
  comma = "";
  for (const auto& [name, sink] : sinks) {
    out += fmt::format("{}{}:{{\"prepared\":{},\"rows\":{}}}", comma, json_string(name), json_string(sink.prepared),
                       sink.rows);
    comma = ",";
  }
  out += "},\"tables\":[";
  comma = "";
  for (const TableRecord& table : tables) {
    out += comma + table_json(table);
    comma = ",";
  }
  out += "],\"nodes\":[";
  comma = "";
  for (const NodeRecord& node : nodes) {
    out += fmt::format(
        "{}{{\"kind\":{},\"name\":{},\"fingerprint\":{},\"own\":{},\"identity\":{},\"text\":{},\"state\":{},"
        "\"functions\":[",
        comma, json_string(node.kind), json_string(node.name), json_string(node.fingerprint), json_string(node.own),
        json_string(node.identity), json_string(node.text), node.has_state);
    for (const std::string& function : node.functions)
      out += (&function == &node.functions.front() ? "" : ",") + json_string(function);
    out += "]}";
    comma = ",";
  }
  out += "],\"counters\":[";
  comma = "";
  for (const NodeCounters& c : counters) {
    out += fmt::format("{}[{},{},{},{},{},{},{}]", comma, c.rows_in, c.passed, c.filtered, c.late, c.quarantined,
                       c.held, c.rows_out);
    comma = ",";
  }
  std::vector<int64_t> closed_ms;
  for (EventTime time : closed) closed_ms.push_back(time.ms);
  out += fmt::format("],\"closed_ms\":[{}", fmt::join(closed_ms, ","));
  out += "],\"segments\":[";
  comma = "";
  for (const std::string& segment : segments) {
    out += comma + json_string(segment);
    comma = ",";
  }
  out += "],\"deliveries\":[";
  comma = "";
  for (const PendingDelivery& d : deliveries) {
    out += fmt::format("{}{{\"id\":{},\"alert\":{},\"instance\":{},\"body\":{}}}", comma, d.id, json_string(d.alert),
                       d.instance, json_string(d.body));
    comma = ",";
  }
  return out + "]}\n";
}

Result<Manifest> Manifest::parse(std::string_view text) {
  simdjson::dom::parser parser;
  Manifest out;
  try {
    simdjson::dom::element root = parser.parse(text.data(), text.size());
    if (int64_t(root["format"]) != manifest_format)
      return corrupt("checkpoint.json has another format than this version reads");
    auto string = [](simdjson::dom::element e) { return std::string(std::string_view(e)); };
    out.lineage = string(root["lineage"]);
    out.plan = string(root["plan"]);
    out.generation = uint64_t(root["generation"]);
    out.epoch = Epoch{uint64_t(root["epoch"])};
    out.tick = Tick{uint64_t(root["tick"])};
    if (simdjson::dom::element now; root["now_us"].get(now) == simdjson::SUCCESS) out.now_us = int64_t(now);
    out.quarantine_next = int64_t(root["quarantine_next"]);
    out.shards = static_cast<uint32_t>(uint64_t(root["shards"]));
    for (auto [name, source] : simdjson::dom::object(root["sources"])) {
      SourceCheckpoint& into = out.sources[std::string(name)];
      into.position = string(source["position"]);
      into.records_read = int64_t(source["read"]);
      into.records_accepted = int64_t(source["accepted"]);
      into.records_quarantined = int64_t(source["quarantined"]);
      into.ended = bool(source["ended"]);
      for (simdjson::dom::element split : simdjson::dom::array(source["splits"]))
        into.splits.push_back({string(split["name"]), EventTime{int64_t(split["watermark_ms"])}, bool(split["ended"])});
    }
    for (auto [name, sink] : simdjson::dom::object(root["sinks"]))
      out.sinks[std::string(name)] = {string(sink["prepared"]), int64_t(sink["rows"])};
    for (simdjson::dom::element table : simdjson::dom::array(root["tables"])) out.tables.push_back(table_of(table));
    for (simdjson::dom::element node : simdjson::dom::array(root["nodes"])) {
      out.nodes.push_back({string(node["kind"]),
                           string(node["name"]),
                           string(node["fingerprint"]),
                           string(node["own"]),
                           string(node["identity"]),
                           string(node["text"]),
                           {},
                           bool(node["state"])});
      for (simdjson::dom::element function : simdjson::dom::array(node["functions"]))
        out.nodes.back().functions.push_back(string(function));
    }
    for (simdjson::dom::element row : simdjson::dom::array(root["counters"])) {
      simdjson::dom::array n = row;
      out.counters.push_back({int64_t(n.at(0)), int64_t(n.at(1)), int64_t(n.at(2)), int64_t(n.at(3)), int64_t(n.at(4)),
                              int64_t(n.at(5)), int64_t(n.at(6))});
    }
    if (simdjson::dom::array times; root["closed_ms"].get(times) == simdjson::SUCCESS)
      for (int64_t time : times) out.closed.push_back(EventTime{time});
    out.closed.resize(out.nodes.size(), EventTime::min());
    for (simdjson::dom::element segment : simdjson::dom::array(root["segments"]))
      out.segments.push_back(string(segment));
    for (simdjson::dom::element d : simdjson::dom::array(root["deliveries"]))
      out.deliveries.push_back({uint64_t(d["id"]), string(d["alert"]), uint64_t(d["instance"]), string(d["body"])});
  } catch (const simdjson::simdjson_error& error) {
    return corrupt(std::string("checkpoint.json cannot be read: ") + error.what());
  }
  if (!has_sound_widths(out.tables))
    return corrupt("checkpoint.json has a table whose rows are wider than rows can be");
  return out;
}

Result<std::unique_ptr<StateDirectory>> StateDirectory::open(const std::string& path) {
  const std::string remedy = "make the state directory writable, or give another one with --state";
  if (Result<> made = make_directories(path + "/segments"); !made)
    return Error(std::move(made).error()).with_remedy(remedy);
  std::unique_ptr<StateDirectory> out(new StateDirectory(path));
  const std::string lock = path + "/lock";
  out->lock_ = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (out->lock_ < 0) return errno_error("open " + lock, errno).with_remedy(remedy);
  if (::flock(out->lock_, LOCK_EX | LOCK_NB) != 0)
    return user_error(Code::state_locked, "another process uses the state directory " + path)
        .with_remedy("stop it, or give another directory with --state");
  return out;
}

StateDirectory::~StateDirectory() {
  if (lock_ >= 0) ::close(lock_);
}

Result<uint64_t> StateDirectory::count_start() {
  const std::string path = path_ + "/starts";
  uint64_t before = 0;
  if (file_exists(path)) {
    HEADRACE_ASSIGN(std::string text, read_file(path));
    before = std::strtoull(text.c_str(), nullptr, 10);
  }
  HEADRACE_TRY(write_file_atomically(path, std::to_string(before + 1) + "\n"));
  return before;
}

Result<std::optional<Manifest>> StateDirectory::last() const {
  return Manifest::read(path_);
}

Error no_durable_state(const std::string& state_directory) {
  return user_error(Code::not_found, "there is no durable state in " + state_directory)
      .with_remedy("run the pipeline first, or name its state directory");
}

Result<std::optional<Manifest>> Manifest::read(const std::string& state_directory) {
  const std::string path = state_directory + "/" + manifest_name;
  if (!file_exists(path)) return std::optional<Manifest>();
  HEADRACE_ASSIGN(std::string text, read_file(path));
  HEADRACE_ASSIGN(Manifest manifest, Manifest::parse(text));
  return std::optional<Manifest>(std::move(manifest));
}

Result<SegmentName> StateDirectory::write(Epoch epoch, const std::vector<StateBlock>& blocks) {
  if (blocks.empty()) return SegmentName();
  SegmentName out{fmt::format("{:012d}.seg", epoch.value)};
  HEADRACE_ASSIGN(out.bytes, write_segment(segments() + "/" + out.name, blocks));
  HEADRACE_TRY(sync_directory(segments()));
  crash_point("checkpoint_segment_synced");
  return out;
}

Result<std::vector<SegmentName>> segment_sizes(const std::string& folder, const std::vector<std::string>& names) {
  std::vector<SegmentName> out;
  for (const std::string& name : names) {
    HEADRACE_ASSIGN(const File file, File::open(folder + "/" + name, File::Mode::read));
    HEADRACE_ASSIGN(const uint64_t bytes, file.size());
    out.push_back({name, static_cast<int64_t>(bytes)});
  }
  return out;
}

Result<> StateDirectory::write_manifest(const Manifest& manifest) {
  HEADRACE_TRY(write_file_atomically(path_ + "/" + manifest_name, manifest.json()));
  crash_point("checkpoint_manifest_written");
  HEADRACE_ASSIGN(std::vector<std::string> names, list_directory(segments()));
  for (const std::string& name : names)
    if (std::find(manifest.segments.begin(), manifest.segments.end(), name) == manifest.segments.end())
      HEADRACE_TRY(remove_file(segments() + "/" + name));
  return {};
}

Result<> StateDirectory::note_commits(Epoch epoch) {
  const std::string path = path_ + "/" + commits_name, fresh = path + ".new";
  HEADRACE_ASSIGN(File file, File::open(fresh, File::Mode::truncate));
  HEADRACE_TRY(file.write(std::to_string(epoch.value)));
  return replace_file(fresh, path);
}

Epoch StateDirectory::last_commits() const {
  const Result<std::string> text = read_file(path_ + "/" + commits_name);
  return Epoch{text ? std::strtoull(text->c_str(), nullptr, 10) : 0};
}

}  // namespace headrace
