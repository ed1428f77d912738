#include "catalog/contract.h"

#include <array>
#include <optional>

#include "base/text.h"
#include "catalog/toml_file.h"

namespace headrace {
namespace {

struct ActionName {
  std::string_view name;
  ExpectationAction action;
};
constexpr std::array actions{ActionName{"warn", ExpectationAction::warn}, ActionName{"drop", ExpectationAction::drop},
                             ActionName{"quarantine", ExpectationAction::quarantine},
                             ActionName{"fail", ExpectationAction::fail}};

class ContractReader {
 public:
  explicit ContractReader(const std::string& path) : path_(path) {}

  ReadContract run(const std::string& text) && {
    out_.contract.source = stem();
    out_.contract.at = {path_, 1, 1};
    Result<toml::table> table = parse_toml(text, path_, Code::bad_contract);
    if (!table) {
      out_.errors.push_back(std::move(table).error());
      return std::move(out_);
    }
    for (const auto& [key, node] : *table) {
      if (key == "source")
        take_text(node, "source", out_.contract.source);
      else if (key == "extra_fields")
        extra_fields(node);
      else if (key == "not_null")
        not_null(node);
      else if (key == "expect")
        expectations(node);
      else
        out_.errors.push_back(
            unknown_key(key, {"source", "extra_fields", "not_null", "expect"}, path_, Code::bad_contract));
    }
    return std::move(out_);
  }

 private:
  std::string stem() const {
    size_t begin = path_.rfind('/') + 1, end = path_.rfind('.');
    return path_.substr(begin, end - begin);
  }

  void fail(const toml::node& node, std::string message) {
    out_.errors.push_back(user_error(Code::bad_contract, std::move(message)).with_location(place_of(node, path_)));
  }

  bool take_text(const toml::node& node, const std::string& what, std::string& into) {
    const toml::value<std::string>* text = node.as_string();
    if (text == nullptr || text->get().empty()) {
      fail(node, what + " is a text");
      return false;
    }
    into = text->get();
    return true;
  }

  void extra_fields(const toml::node& node) {
    std::string text;
    if (!take_text(node, "extra_fields", text)) return;
    if (text != "ignore" && text != "quarantine")
      return fail(node, "extra_fields is \"ignore\" or \"quarantine\", not \"" + text + "\"");
    out_.contract.reject_extra_fields = text == "quarantine";
  }

  void not_null(const toml::node& node) {
    const toml::array* names = node.as_array();
    if (names == nullptr) return fail(node, "not_null is a list of columns: [\"a\", \"b\"]");
    for (const toml::node& name : *names)
      if (std::string text; take_text(name, "a column's name", text)) out_.contract.not_null.push_back(std::move(text));
  }

  void expectations(const toml::node& node) {
    const toml::array* list = node.as_array();
    if (list == nullptr) return fail(node, "expectations are written as [[expect]], with double brackets");
    for (const toml::node& item : *list) {
      const toml::table* table = item.as_table();
      if (table == nullptr)
        fail(item, "expectations are written as [[expect]], each with name and check");
      else
        expectation(*table);
    }
  }

  void expectation(const toml::table& table) {
    Expectation out;
    out.at = place_of(table, path_);
    size_t errors_before = out_.errors.size();
    for (const auto& [key, node] : table) {
      if (key == "name")
        take_text(node, "name", out.name);
      else if (key == "check")
        check(node, out);
      else if (key == "action")
        action(node, out);
      else
        out_.errors.push_back(unknown_key(key, {"name", "check", "action"}, path_, Code::bad_contract));
    }
    if (out_.errors.size() != errors_before) return;
    if (out.name.empty()) return fail(table, "an expectation needs a name");
    if (out.condition.empty()) return fail(table, "the expectation " + out.name + " needs a check: an SQL condition");
    for (const Expectation& other : out_.contract.expectations)
      if (other.name == out.name) return fail(table, "two expectations have the name " + out.name);
    out_.contract.expectations.push_back(std::move(out));
  }

  void check(const toml::node& node, Expectation& out) {
    if (!take_text(node, "check", out.condition)) return;
    out.at = place_of(node, path_);
    ++out.at.column;  // Behind the quote.
  }

  void action(const toml::node& node, Expectation& out) {
    std::string text;
    if (!take_text(node, "action", text)) return;
    for (const ActionName& known : actions) {
      if (known.name != text) continue;
      out.action = known.action;
      return;
    }
    fail(node, "action is \"warn\", \"drop\", \"quarantine\" or \"fail\", not \"" + text + "\"");
  }

  const std::string& path_;
  ReadContract out_;
};

}  // namespace

ReadContract read_contract(const std::string& text, const std::string& path) {
  return ContractReader(path).run(text);
}

}  // namespace headrace
