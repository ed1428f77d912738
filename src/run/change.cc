#include "run/change.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/json_text.h"
#include "plan/plan_json.h"

namespace headrace {
namespace {

constexpr size_t text_max = 120;  ///< Of what a node does, where it is shown to people.

std::string shortened(const std::string& text) {
  return text.size() <= text_max ? text : text.substr(0, text_max) + "...";
}

/// "f: ab12cd34ef56 -> 0123456789ab" for each function whose code differs.
std::string functions_that_differ(const NodeRecord& before, const NodeRecord& after) {
  std::string out;
  for (const std::string& now : after.functions) {
    const std::string name = now.substr(0, now.find(' ') + 1);
    for (const std::string& then : before.functions)
      if (then != now && then.starts_with(name))
        out += fmt::format("{}function {}: {} -> {}", out.empty() ? "" : ", ", name.substr(0, name.size() - 1),
                           then.substr(name.size(), 12), now.substr(name.size(), 12));
  }
  return out;
}

class Comparer {
 public:
  Comparer(const Manifest& last, const PipelineOptions& options, const CheckedProject& project)
      : last_(last), project_(project), plan_(project.optimized) {
    context_.project_directory = options.project_directory;
    context_.state_directory = options.state_directory;
    context_.clock = options.clock ? options.clock : &system_clock();
    context_.functions = project.functions.get();
    context_.wake = [] {};
  }

  Result<Change> run() {
    out_.other_plan = last_.plan != plan_fingerprint(plan_);
    for (NodeRecord& record : records_of(plan_, project_.functions.get(), &names_data)) {
      const auto id = NodeId{static_cast<uint32_t>(out_.nodes.size())};
      out_.nodes.push_back({Fate::added, std::move(record), std::nullopt, id, "", {}, false});
    }
    used_.resize(last_.nodes.size());
    match(true);
    match(false);
    share();
    find_rebuilt();
    rebuild_together();
    for (NodeChange& node : out_.nodes)
      if (node.fate == Fate::rebuilt && node.reason.empty()) node.reason = reason_of(node);
    HEADRACE_TRY(judge_sources());
    judge_sinks();
    for (NodeChange& node : out_.nodes)
      if (node.record.has_state && node.fate != Fate::kept) tell_sources(node);
    for (uint32_t old = 0; old < last_.nodes.size(); ++old)
      if (!used_[old])
        out_.nodes.push_back({Fate::dropped, last_.nodes[old], NodeId{old}, std::nullopt, "", {}, false});
    return std::move(out_);
  }

 private:
  const std::vector<Input>& inputs_of(const NodeChange& node) const { return base_of(plan_[*node.after]).inputs; }

  void take(NodeChange& node, uint32_t old, Fate fate) {
    node.fate = fate;
    node.before = NodeId{old};
    used_[old] = true;
  }

  /// Finds nodes of the old plan with the same work, first those of the same name.
  void match(bool by_name) {
    for (NodeChange& node : out_.nodes) {
      if (node.before) continue;
      for (uint32_t old = 0; old < last_.nodes.size() && !node.before; ++old) {
        const NodeRecord& record = last_.nodes[old];
        if (!used_[old] && record.kind == node.record.kind && record.fingerprint == node.record.fingerprint &&
            (record.name == node.record.name || !(by_name || is_outside(record))))
          take(node, old, Fate::kept);
      }
    }
  }

  /// Sources and sinks are known by their names.
  static bool is_outside(const NodeRecord& record) { return !record.identity.empty(); }

  /// A new node that does what another does begins with the same state.
  void share() {
    for (NodeChange& node : out_.nodes)
      for (uint32_t old = 0; old < last_.nodes.size() && !node.before && node.record.has_state; ++old)
        if (last_.nodes[old].kind == node.record.kind && last_.nodes[old].fingerprint == node.record.fingerprint &&
            node.record.kind != "alert")
          take(node, old, Fate::kept);
  }

  /// What is left and has the name and kind of an old one takes its place.
  void find_rebuilt() {
    for (NodeChange& node : out_.nodes) {
      if (node.before) continue;
      for (uint32_t old = 0; old < last_.nodes.size() && !node.before; ++old) {
        const NodeRecord& record = last_.nodes[old];
        if (!used_[old] && record.kind == node.record.kind && record.name == node.record.name &&
            record.identity == node.record.identity)
          take(node, old, Fate::rebuilt);
      }
    }
  }

  /// What a second reading may not give again just so: paces, random values, the order among a source's splits.
  bool may_differ(const NodeChange& node) const {
    const Node& known = plan_[*node.after];
    if (is_paced(known) || !base_of(known).output.deterministic) return true;
    for (const Node& source : part_of(plan_, {*node.after}).plan.nodes) {
      if (!std::holds_alternative<SourceNode>(source)) continue;
      auto found = last_.sources.find(base_of(source).name);
      if (found != last_.sources.end() && found->second.splits.size() > 1) return true;
    }
    return false;
  }

  /// A node that is built anew over one that keeps its state must have seen just what that one told. Where a second
  /// reading may tell something else, both are built together, and so is all that reads them.
  void rebuild_together() {
    for (bool again = true; again;) {
      again = false;
      for (NodeChange& node : out_.nodes) {
        if (node.fate != Fate::kept || !node.record.has_state || !may_differ(node)) continue;
        const std::vector<NodeChange*> above = readers_of(node);
        if (std::none_of(above.begin(), above.end(), [](const NodeChange* reader) { return reader->builds(); }))
          continue;
        rebuild(node, "another node is built over it, and a second reading may tell something else");
        for (NodeChange* reader : above)
          if (reader->fate == Fate::kept) rebuild(*reader, "it reads " + node.record.title());
        again = true;
      }
    }
  }

  void rebuild(NodeChange& node, std::string reason) const {
    if (node.record.kind == "sink") return;
    node.fate = Fate::rebuilt;
    node.reason = std::move(reason);
  }

  /// All nodes above a node.
  std::vector<NodeChange*> readers_of(const NodeChange& node) {
    std::vector<bool> above(plan_.nodes.size());
    above[node.after->value] = true;
    std::vector<NodeChange*> out;
    for (NodeChange& other : out_.nodes)
      for (const Input& input : inputs_of(other))
        if (above[input.node.value] && !above[other.after->value]) {
          above[other.after->value] = true;
          out.push_back(&other);
        }
    return out;
  }

  /// What differs, in the node or in the nearest one below it.
  std::string reason_of(const NodeChange& node) const {
    const NodeRecord& before = last_.nodes[node.before->value];
    if (std::string functions = functions_that_differ(before, node.record); !functions.empty()) return functions;
    if (before.own != node.record.own)
      return before.text == node.record.text
                 ? node.record.kind + ": other columns, types or options"
                 : fmt::format("{}: {} -> {}", node.record.kind, shortened(before.text), shortened(node.record.text));
    for (const Input& input : inputs_of(node)) {
      const NodeChange& below = out_.nodes[input.node.value];
      if (below.fate == Fate::added) return "reads " + below.record.title() + ", which is new";
      if (below.fate != Fate::rebuilt) continue;
      const std::string reason = below.reason.empty() ? reason_of(below) : below.reason;
      return (reason.starts_with("below it, ") ? "" : "below it, ") + reason;
    }
    return "it reads other nodes";
  }

  Result<> judge_sources() {
    for (const NodeChange& node : out_.nodes) {
      auto* source = std::get_if<SourceNode>(&plan_[*node.after]);
      if (source == nullptr || source->is_static) continue;
      SourceChange change{source->name, node.fate, "begins at its beginning", {}};
      auto found = last_.sources.find(source->name);
      if (found != last_.sources.end() && node.before) {
        change.text = fmt::format("goes on behind record {}", found->second.records_read);
        HEADRACE_ASSIGN(change.past, past_of(*source, context_, found->second));
      }
      out_.sources.push_back(std::move(change));
    }
    for (const auto& [name, position] : last_.sources)
      if (find_source(name) == nullptr) out_.sources.push_back({name, Fate::dropped, "is not read any more", {}});
    return {};
  }

  const SourceChange* find_source(const std::string& name) const {
    for (const SourceChange& source : out_.sources)
      if (source.name == name) return &source;
    return nullptr;
  }

  /// Says what a node with state is built from.
  void tell_sources(NodeChange& node) const {
    for (const Node& below : part_of(plan_, {*node.after}).plan.nodes) {
      auto* source = std::get_if<SourceNode>(&below);
      if (source == nullptr) continue;
      const SourceChange* change = source->is_static ? nullptr : find_source(source->name);
      if (change == nullptr) {
        node.sources.push_back("table " + source->name + ", read at each start");
        continue;
      }
      auto found = last_.sources.find(source->name);
      if (change->fate == Fate::added || found == last_.sources.end()) {
        node.sources.push_back(source->name + " from its beginning, when the pipeline runs");
      } else if (change->past.kept == Past::Kept::none) {
        node.sources.push_back(fmt::format("nothing of {} up to record {}: {}", source->name,
                                           found->second.records_read, change->past.text));
      } else {
        node.sources.push_back(
            fmt::format("{} read again {} to record {}", source->name,
                        change->past.kept == Past::Kept::all ? "from its beginning" : change->past.text,
                        found->second.records_read));
      }
      const bool incomplete = change->fate != Fate::added && change->past.kept != Past::Kept::all;
      node.loses = node.loses || (node.fate == Fate::rebuilt && incomplete && found != last_.sources.end() &&
                                  found->second.records_read > 0);
    }
  }

  void judge_sinks() {
    for (NodeChange& node : out_.nodes) {
      if (node.record.kind != "sink") continue;
      const bool goes_on = std::any_of(last_.nodes.begin(), last_.nodes.end(), [&](const NodeRecord& old) {
        return old.kind == "sink" && old.name == node.record.name && old.identity == node.record.identity;
      });
      if (!goes_on) node.fate = Fate::added;
      std::string text = "goes on behind what it has committed";
      if (!goes_on)
        text = "gets the result of all rows that can be read again";
      else if (node.fate == Fate::rebuilt)
        text += "; its new query speaks for rows from here on";
      out_.sinks.push_back({node.record.name, node.fate, std::move(text)});
    }
    for (const NodeRecord& old : last_.nodes) {
      const bool stays = std::any_of(out_.sinks.begin(), out_.sinks.end(),
                                     [&](const SinkChange& sink) { return sink.name == old.name; });
      if (old.kind == "sink" && !stays)
        out_.sinks.push_back({old.name, Fate::dropped, "is not written any more; what it has committed stays"});
    }
  }

  const Manifest& last_;
  const CheckedProject& project_;
  const Plan& plan_;
  InputContext context_;
  Change out_;
  std::vector<bool> used_;  ///< By node of the old plan.
};

std::string list_json(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) out += (out.size() > 1 ? "," : "") + json_string(text);
  return out + "]";
}

std::string id_json(const std::optional<NodeId>& id) {
  return id ? std::to_string(id->value) : "null";
}

}  // namespace

std::string_view word_of(Fate fate) {
  constexpr std::string_view words[] = {"kept", "rebuilt", "new", "dropped"};
  return words[static_cast<size_t>(fate)];
}

bool NodeChange::builds() const {
  if (record.kind == "source") return fate == Fate::rebuilt;
  if (record.kind == "sink") return fate == Fate::added;
  return record.has_state && (fate == Fate::rebuilt || fate == Fate::added);
}

bool Change::any() const {
  return other_plan ||
         std::any_of(nodes.begin(), nodes.end(), [](const NodeChange& node) { return node.fate != Fate::kept; });
}

std::string Change::text() const {
  std::string out;
  for (const NodeChange& node : nodes) {
    if (!node.record.has_state) continue;
    out += fmt::format("{:<8} {}", word_of(node.fate), node.record.title());
    if (!node.reason.empty()) out += ": " + node.reason;
    out += "\n";
    for (const std::string& source : node.sources) out += "           " + source + "\n";
  }
  for (const SourceChange& source : sources)
    out += fmt::format("{:<8} source {} {}\n", word_of(source.fate), source.name, source.text);
  for (const SinkChange& sink : sinks)
    out += fmt::format("{:<8} sink {} {}\n", word_of(sink.fate), sink.name, sink.text);
  if (!any()) return out + "nothing to do: the state belongs to this version\n";
  return out;
}

std::string Change::json() const {
  std::string out = fmt::format("{{\"changed\":{},\"nodes\":[", any());
  for (const NodeChange& node : nodes)
    out += fmt::format(
        "{}{{\"fate\":\"{}\",\"kind\":{},\"name\":{},\"before\":{},\"after\":{},\"state\":{},\"reason\":{},"
        "\"sources\":{},\"loses\":{}}}",
        &node == &nodes.front() ? "" : ",", word_of(node.fate), json_string(node.record.kind),
        json_string(node.record.name), id_json(node.before), id_json(node.after), node.record.has_state,
        json_string(node.reason), list_json(node.sources), node.loses);
  out += "],\"sources\":[";
  for (const SourceChange& source : sources)
    out += fmt::format("{}{{\"fate\":\"{}\",\"name\":{},\"text\":{}}}", &source == &sources.front() ? "" : ",",
                       word_of(source.fate), json_string(source.name), json_string(source.text));
  out += "],\"sinks\":[";
  for (const SinkChange& sink : sinks)
    out += fmt::format("{}{{\"fate\":\"{}\",\"name\":{},\"text\":{}}}", &sink == &sinks.front() ? "" : ",",
                       word_of(sink.fate), json_string(sink.name), json_string(sink.text));
  return out + "]}";
}

Result<Change> compare(const Manifest& last, const PipelineOptions& options, const CheckedProject& project) {
  return Comparer(last, options, project).run();
}

}  // namespace headrace
