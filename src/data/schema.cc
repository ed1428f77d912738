#include "data/schema.h"

#include <algorithm>
#include <cctype>
#include <numeric>

namespace headrace {
namespace {

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

/// Edit distance with adjacent transpositions left out (Wagner and Fischer 1974), letters compared without case.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t replaced = diagonal + (lower(a[i - 1]) != lower(b[j - 1]));
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

}  // namespace

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

std::string nearest_name(std::string_view name, const std::vector<std::string>& known) {
  size_t best = std::max<size_t>(2, name.size() / 2);
  std::string nearest;
  for (const std::string& candidate : known) {
    size_t distance = edit_distance(name, candidate);
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

std::optional<size_t> Schema::find(std::string_view name) const {
  for (size_t i = 0; i < fields_.size(); ++i)
    if (same_name(fields_[i].name, name)) return i;
  return std::nullopt;
}

duckdb::vector<LogicalType> Schema::types() const {
  duckdb::vector<LogicalType> out;
  for (const Field& field : fields_) out.push_back(field.type);
  return out;
}

Schema Schema::select(const std::vector<size_t>& columns) const {
  std::vector<Field> out;
  for (size_t column : columns) out.push_back(fields_[column]);
  return Schema(std::move(out));
}

bool Schema::accepts(const Schema& newer) const {
  for (const Field& field : fields_) {
    std::optional<size_t> column = newer.find(field.name);
    if (!column && !field.nullable) return false;
    if (column && newer[*column].type != field.type) return false;
    if (column && !field.nullable && newer[*column].nullable) return false;
  }
  return true;
}

std::string Schema::text() const {
  std::string out;
  for (const Field& field : fields_) {
    if (!out.empty()) out += ", ";
    out += field.name + " " + field.type.ToString() + (field.nullable ? "" : " NOT NULL");
  }
  return out;
}

}  // namespace headrace
