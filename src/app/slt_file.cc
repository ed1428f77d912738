#include "app/slt_file.h"

#include <fmt/format.h>

#include <sstream>

namespace headrace {
namespace {

/// Fills in what the first line of a directive says. False when it is not a directive.
bool read_head(const std::string& line, SltStep& step) {
  std::istringstream words(line);
  std::string kind, second, third;
  words >> kind >> second >> third;
  using Kind = SltStep::Kind;
  step.name = second;
  if (kind == "statement" && second == "ok")
    step.kind = Kind::statement;
  else if (kind == "statement" && second == "error" && !third.empty())
    step.error_code = std::atoi(third.c_str());
  else if (kind == "functions" && !second.empty())
    step.kind = Kind::functions;
  else if (kind == "feed" && !second.empty())
    step.kind = Kind::feed;
  else if (kind == "backlog" && !second.empty())
    step.kind = Kind::backlog;
  else if (kind == "changes" && !second.empty())
    step.kind = Kind::changes;
  else if (kind == "late" && !second.empty())
    step.kind = Kind::late;
  else if (kind == "query")
    step.kind = Kind::query;
  else if (kind == "quarantine")
    step.kind = Kind::quarantine;
  else if (kind == "end")
    step.kind = Kind::end;
  else
    return false;
  step.ordered = kind == "query" && second == "ordered";
  return true;
}

}  // namespace

Result<std::vector<SltStep>> parse_slt(const std::string& text, const std::string& file) {
  std::vector<SltStep> out;
  std::istringstream lines(text);
  std::string line;
  int32_t number = 0;
  bool inside = false, below = false;
  while (std::getline(lines, line)) {
    ++number;
    if (line.empty()) {
      inside = below = false;
      continue;
    }
    if (!inside && line[0] == '#') continue;
    if (!inside) {
      SltStep step;
      step.line = number;
      if (!read_head(line, step))
        return user_error(Code::syntax_error, "not a directive: " + line)
            .with_remedy(
                "one of: functions, statement ok, statement error CODE, feed, backlog, changes, query, late, "
                "quarantine, end")
            .with_location({file, number, 1});
      out.push_back(std::move(step));
      inside = true;
    } else if (line == "----") {
      below = true;
    } else if (below) {
      out.back().expected.push_back(line);
    } else if (out.back().kind == SltStep::Kind::feed || out.back().kind == SltStep::Kind::backlog) {
      out.back().lines.push_back(line);
    } else {
      out.back().text += line + "\n";
    }
  }
  return out;
}

}  // namespace headrace
