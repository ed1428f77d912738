#include "run/apply.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "plan/plan_json.h"

namespace headrace {
namespace {

constexpr int64_t progress_interval_ns = 1'000'000'000;

/// False: there is none of this name before, or after, or it is another one.
bool goes_on(const SinkChange& sink) {
  return sink.fate != Fate::added && sink.fate != Fate::dropped;
}

/// One change-over, from the old checkpoint to the new one.
class ChangeOver {
 public:
  ChangeOver(const ApplyOptions& options, const CheckedProject& project, StateDirectory& directory,
             const Manifest& last, const Change& change)
      : options_(options), project_(project), directory_(directory), last_(last), change_(change), next_(last) {}

  Result<> run() {
    prepare_manifest();
    HEADRACE_ASSIGN(sinks_, make_sinks(project_.optimized, options_.pipeline, clock_, project_.functions.get()));
    CheckpointWriter writer(directory_, sinks_, clock_, {[](const Manifest&) {}});
    HEADRACE_TRY(writer.open_sinks(sinks_as_they_were()));
    CheckpointJob job;
    job.whole = true;
    HEADRACE_TRY(carry_over(job.blocks));
    HEADRACE_TRY(build(job.blocks));
    quarantine_.flush();
    for (Table::SavedBlock& block : quarantine_.table().save(true))
      job.blocks.push_back({{quarantine_node, 0, 0, block.block}, std::move(block.bytes)});
    next_.quarantine_next = quarantine_.next_id();
    job.output.resize(sinks_.size());  // What new sinks get was written as it came.
    job.manifest = next_;
    crash_point("apply_built");
    HEADRACE_TRY(writer.submit(std::move(job)));
    return writer.finish();
  }

 private:
  /// The new checkpoint, but for what is built.
  void prepare_manifest() {
    next_.plan = plan_fingerprint(project_.optimized);
    next_.epoch = Epoch{last_.epoch.value + 1};
    next_.tick = Tick{last_.tick.value + 1};  // Subscribers see that views are others now.
    next_.counters.assign(project_.optimized.nodes.size(), {});
    next_.closed.assign(project_.optimized.nodes.size(), EventTime::min());
    next_.nodes.clear();
    next_.tables.clear();  // The next start says them.
    for (const NodeChange& node : change_.nodes) {
      if (!node.after) continue;
      next_.nodes.push_back(node.record);
      if (!node.before || node.fate != Fate::kept) continue;
      next_.counters[node.after->value] = last_.counters[node.before->value];
      next_.closed[node.after->value] = last_.closed[node.before->value];
    }
    for (const SourceChange& source : change_.sources)
      if (source.fate == Fate::added || source.fate == Fate::dropped) next_.sources.erase(source.name);
    std::erase_if(next_.deliveries, [&](const PendingDelivery& delivery) {
      return std::none_of(next_.nodes.begin(), next_.nodes.end(),
                          [&](const NodeRecord& node) { return node.kind == "alert" && node.name == delivery.alert; });
    });
  }

  /// The old checkpoint, as far as sinks go on: a new one knows nothing of it.
  Manifest sinks_as_they_were() {
    for (const SinkChange& sink : change_.sinks)
      if (!goes_on(sink)) next_.sinks.erase(sink.name);
    Manifest out = last_;
    out.sinks = next_.sinks;
    return out;
  }

  /// Takes the blocks of kept nodes along under their new numbers, and what the quarantine holds.
  Result<> carry_over(std::vector<StateBlock>& out) {
    HEADRACE_ASSIGN(const Segments segments, directory_.load(last_));
    Quarantine before;
    for (const SavedImages& block : segments.blocks()) {
      HEADRACE_ASSIGN(const std::vector<std::string_view> images, block.checked());
      if (block.place.node == quarantine_node) {
        HEADRACE_TRY(before.table().load(block.place.block, images));
        continue;
      }
      // Several nodes begin with the same state where they do the same.
      for (const NodeChange& node : change_.nodes) {
        if (node.fate != Fate::kept || !node.after || node.before != NodeId{block.place.node}) continue;
        HEADRACE_ASSIGN(const BlockImage folded, fold(images));
        out.push_back({block.place, folded.write()});
        out.back().place.node = node.after->value;
      }
    }
    quarantine_.restored(last_.quarantine_next);
    for (QuarantineRow& row : before.rows(0, INT64_MAX)) {
      if (comes_again(row)) continue;
      if (row.reentry.node >= 0) row.reentry.node = place_of(row.reentry.node);
      quarantine_.put(std::move(row));
    }
    return {};
  }

  /// True when it was this node that refused the row.
  static bool is_refused_by(const QuarantineRow& row, const NodeRecord& node) {
    if (row.source != node.name) return false;
    return node.kind == "source" ? row.reentry.node < 0 && !row.late : row.origin == node.title();
  }

  /// True for what a node refused that is built anew: it refuses it again.
  bool comes_again(const QuarantineRow& row) const {
    return std::any_of(change_.nodes.begin(), change_.nodes.end(), [&](const NodeChange& node) {
      return node.fate == Fate::rebuilt && is_built(node) && is_refused_by(row, node.record);
    });
  }

  /// Where a row gets back in the new plan; -1: that node is gone.
  int32_t place_of(int32_t old) const {
    for (const NodeChange& node : change_.nodes)
      if (node.after && node.before == NodeId{static_cast<uint32_t>(old)} && node.fate == Fate::kept)
        return static_cast<int32_t>(node.after->value);
    return -1;
  }

  bool is_built(const NodeChange& node) const {
    return std::any_of(part_.whole.begin(), part_.whole.end(), [&](NodeId id) { return node.after == id; });
  }

  /// Reads sources again for what is rebuilt or new.
  Result<> build(std::vector<StateBlock>& out) {
    if (part_.plan.nodes.empty()) return {};
    PipelineOptions options = options_.pipeline;
    options.functions = project_.functions;
    options.until_end = false;
    options.shards = static_cast<int32_t>(last_.shards);  // So that its blocks stand beside the kept ones.
    CheckedProject again = check_project(options);
    CHECK(plan_fingerprint(again.optimized) == next_.plan);
    again.optimized = part_of(again.optimized, targets()).plan;
    Engine engine(options, std::move(again));
    std::map<std::string, SourceCheckpoint> until;
    std::set<std::string> there;
    for (const SourceChange& source : change_.sources) {
      auto known = next_.sources.find(source.name);
      if (known == next_.sources.end()) continue;
      until[source.name] = known->second;
      if (source.past.kept != Past::Kept::none) there.insert(source.name);
    }
    int64_t told_ns = clock_.steady_ns();
    HEADRACE_TRY(engine.read_again(
        until, there, closed_of_part(),
        [&](NodeId sink, std::vector<Batch> rows) -> Result<> {
          return write_new(part_.whole[sink.value], std::move(rows));
        },
        [&] {
          if (!options_.progress || clock_.steady_ns() - told_ns < progress_interval_ns) return;
          told_ns = clock_.steady_ns();
          options_.progress(progress_text(engine.source_checkpoints(), until));
        }));
    HEADRACE_TRY(check_books(engine, until));
    HEADRACE_ASSIGN(std::vector<StateBlock> blocks, engine.save_blocks(true));
    for (StateBlock& block : blocks) {
      const NodeId id = part_.whole[block.place.node];
      if (change_.nodes[id.value].fate == Fate::kept) continue;
      block.place.node = id.value;
      out.push_back(std::move(block));
    }
    take_books(engine);
    return {};
  }

  /// By node of the part: how far the old one was closed.
  std::vector<EventTime> closed_of_part() const {
    std::vector<EventTime> out;
    for (NodeId node : part_.whole) {
      const std::optional<NodeId> before = change_.nodes[node.value].before;
      out.push_back(before ? last_.closed[before->value] : EventTime::min());
    }
    return out;
  }

  std::vector<NodeId> targets() const {
    std::vector<NodeId> out;
    for (const NodeChange& node : change_.nodes)
      if (node.builds()) out.push_back(*node.after);
    return out;
  }

  static std::string progress_text(const std::map<std::string, SourceCheckpoint>& now,
                                   const std::map<std::string, SourceCheckpoint>& until) {
    std::string out;
    for (const auto& [name, source] : now) {
      auto end = until.find(name);
      if (end != until.end())
        out += fmt::format("{}{}: {} of {} records", out.empty() ? "" : ", ", name, source.records_read,
                           end->second.records_read);
    }
    return out;
  }

  Result<> write_new(NodeId node, std::vector<Batch> rows) {
    for (SinkOutput& sink : sinks_) {
      if (sink.node != node) continue;
      for (const Batch& batch : rows) {
        HEADRACE_TRY(sink.sink->write(batch));
        sink.rows += batch.rows();
      }
    }
    return {};
  }

  /// A source that gives other records than at the first reading would make state that fits nothing.
  Result<> check_books(const Engine& engine, const std::map<std::string, SourceCheckpoint>& until) const {
    const std::map<std::string, SourceCheckpoint> now = engine.source_checkpoints();
    for (const SourceChange& source : change_.sources) {
      auto read = now.find(source.name);
      if (read == now.end() || source.past.kept != Past::Kept::all || until.count(source.name) == 0) continue;
      const int64_t before = until.at(source.name).records_read;
      if (read->second.records_read != before)
        return environment_error(Code::source_unavailable,
                                 fmt::format("source {} gave {} records before, and {} when read again", source.name,
                                             before, read->second.records_read))
            .with_remedy("put its input back as it was, or run with a new state directory (--state)");
    }
    return {};
  }

  /// Counters and refused rows of what was built.
  void take_books(Engine& engine) {
    for (uint32_t node = 0; node < part_.whole.size(); ++node) {
      const NodeId whole = part_.whole[node];
      if (change_.nodes[whole.value].fate == Fate::kept) continue;
      next_.counters[whole.value] = engine.counters_of(NodeId{node});
      next_.closed[whole.value] = engine.closed(NodeId{node});
    }
    for (const auto& [name, source] : engine.source_checkpoints()) {
      auto known = next_.sources.find(name);
      if (known == next_.sources.end() || !is_rebuilt_source(name)) continue;
      // Its contract or its watermark is another one; its place is the same.
      for (SplitCheckpoint& split : known->second.splits)
        for (const SplitCheckpoint& now : source.splits)
          if (now.name == split.name) split.watermark = now.watermark;
      known->second.records_read = source.records_read;
      known->second.records_accepted = source.records_accepted;
      known->second.records_quarantined = source.records_quarantined;
    }
    for (QuarantineRow& row : engine.quarantine(0, INT64_MAX)) {
      if (!was_built(row)) continue;
      if (row.reentry.node >= 0)
        row.reentry.node = static_cast<int32_t>(part_.whole[static_cast<size_t>(row.reentry.node)].value);
      row.id = quarantine_.next_id();
      quarantine_.restored(row.id + 1);
      quarantine_.put(std::move(row));
    }
  }

  bool is_rebuilt_source(const std::string& name) const {
    return std::any_of(change_.sources.begin(), change_.sources.end(), [&](const SourceChange& source) {
      return source.name == name && source.fate == Fate::rebuilt && source.past.kept != Past::Kept::none;
    });
  }

  /// True for what a rebuilt or new node refused.
  bool was_built(const QuarantineRow& row) const {
    return std::any_of(change_.nodes.begin(), change_.nodes.end(), [&](const NodeChange& node) {
      return node.after && node.fate != Fate::kept && is_refused_by(row, node.record);
    });
  }

  const ApplyOptions& options_;
  const CheckedProject& project_;
  StateDirectory& directory_;
  const Manifest& last_;
  const Change& change_;
  Manifest next_;
  const Clock& clock_ = system_clock();
  const PlanPart part_ = part_of(project_.optimized, targets());  ///< What is built, and what that reads.
  std::vector<SinkOutput> sinks_;
  Quarantine quarantine_;
};

}  // namespace

Result<> check_loss(const Change& change, const ApplyOptions& options) {
  if (options.allow_loss) return {};
  for (const NodeChange& node : change.nodes)
    if (node.loses)
      return user_error(Code::state_mismatch,
                        fmt::format("the state of {} would be lost: {}", node.record.title(), node.sources.front()))
          .with_remedy("put the old statement back, or let it begin empty with headrace apply --allow-loss");
  return {};
}

/// A sink that goes, or that other options make a new one, cannot commit any more what the last checkpoint prepared for
/// it. Errors: state_mismatch.
Result<> check_commits(const Change& change, const Manifest& last, const StateDirectory& directory) {
  if (directory.last_commits() == last.epoch) return {};
  for (const SinkChange& sink : change.sinks) {
    const auto known = last.sinks.find(sink.name);
    if (goes_on(sink) || known == last.sinks.end() || known->second.prepared.empty()) continue;
    return user_error(Code::state_mismatch,
                      fmt::format("the last run was killed before sink '{}' had its last rows, and it would never get "
                                  "them",
                                  sink.name))
        .with_remedy(
            "run the version before this one once more, until it has started, then apply; or lose the rows "
            "with headrace apply --allow-loss");
  }
  return {};
}

Result<Change> plan_change(const PipelineOptions& options, const CheckedProject& project) {
  HEADRACE_ASSIGN(std::optional<Manifest> last, Manifest::read(options.state_directory));
  if (!last) return no_durable_state(options.state_directory);
  return compare(*last, options, project);
}

Result<Change> apply_change(const ApplyOptions& options, const CheckedProject& project) {
  const std::string& path = options.pipeline.state_directory;
  if (!file_exists(path)) return no_durable_state(path);
  HEADRACE_ASSIGN(std::unique_ptr<StateDirectory> directory, StateDirectory::open(path));
  HEADRACE_ASSIGN(std::optional<Manifest> last, directory->last());
  if (!last) return no_durable_state(path);
  HEADRACE_ASSIGN(Change change, compare(*last, options.pipeline, project));
  if (!change.any()) return change;
  HEADRACE_TRY(check_loss(change, options));
  if (!options.allow_loss) HEADRACE_TRY(check_commits(change, *last, *directory));
  HEADRACE_TRY(ChangeOver(options, project, *directory, *last, change).run());
  return change;
}

}  // namespace headrace
