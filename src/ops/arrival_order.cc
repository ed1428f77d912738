#include "ops/arrival_order.h"

#include <algorithm>
#include <span>

#include "duck/chunk.h"

namespace headrace {
namespace {

struct Sent {
  Batch batch;
  size_t sender;
};

/// Rows as they stand one behind the other, those of a sender together.
struct Rows {
  Batch all;                   ///< More than rows_per_batch of them.
  std::vector<size_t> begins;  ///< Of each sender's rows; and the number of all.
};

Rows line_up(std::span<Sent> parts) {
  Rows out;
  size_t rows = 0, done = 0;
  for (const Sent& part : parts) rows += static_cast<size_t>(part.batch.rows());
  out.all.schema = parts[0].batch.schema;
  out.all.ordinal = parts[0].batch.ordinal;
  const std::vector<LogicalType> types = out.all.schema->types();
  out.all.chunk.Initialize(duckdb::Allocator::DefaultAllocator(), {types.begin(), types.end()}, rows);
  const bool changes =
      std::any_of(parts.begin(), parts.end(), [](const Sent& part) { return !part.batch.inserts_only(); });
  for (size_t i = 0; i < parts.size(); ++i) {
    const Batch& from = parts[i].batch;
    if (i == 0 || parts[i].sender != parts[i - 1].sender) out.begins.push_back(done);
    const size_t count = static_cast<size_t>(from.rows());
    for (size_t column = 0; column < types.size(); ++column)
      duckdb::VectorOperations::Copy(from.chunk.data[column], out.all.chunk.data[column], count, 0, done);
    for (size_t row = 0; changes && row < count; ++row) out.all.diffs.push_back(from.diff(static_cast<int64_t>(row)));
    out.all.stamps_ms.insert(out.all.stamps_ms.end(), from.stamps_ms.begin(), from.stamps_ms.end());
    done += count;
  }
  out.all.chunk.SetCardinality(rows);
  out.begins.push_back(rows);
  return out;
}

/// Of the senders' next rows the one with the lowest stamp goes first; of equal ones, the first sender's.
std::vector<uint32_t> merged_order(const Rows& rows) {
  std::vector<uint32_t> out;
  std::vector<size_t> next(rows.begins.begin(), rows.begins.end() - 1);
  while (out.size() < rows.begins.back()) {
    size_t first = next.size();
    for (size_t sender = 0; sender < next.size(); ++sender)
      if (next[sender] < rows.begins[sender + 1] &&
          (first == next.size() || rows.all.stamps_ms[next[sender]] < rows.all.stamps_ms[next[first]]))
        first = sender;
    out.push_back(static_cast<uint32_t>(next[first]++));
  }
  return out;
}

/// True when some row would have to stand before one of an earlier sender.
bool is_mixed(std::span<const Sent> parts) {
  int64_t last = INT64_MIN;
  bool mixed = false;
  for (const Sent& part : parts) {
    if (part.batch.stamps_ms.empty()) return false;
    for (int64_t stamp : part.batch.stamps_ms) {
      mixed |= stamp < last;
      last = stamp;
    }
  }
  return mixed && parts.front().sender != parts.back().sender;
}

void merge(std::span<Sent> parts, std::vector<Batch>& out) {
  const Rows rows = line_up(parts);
  const std::vector<uint32_t> order = merged_order(rows);
  for (size_t at = 0; at < order.size(); at += rows_per_batch) {
    const auto end = std::min(order.size(), at + rows_per_batch);
    out.push_back(rows.all.slice({order.begin() + static_cast<long>(at), order.begin() + static_cast<long>(end)}));
  }
}

}  // namespace

std::vector<Batch> in_arrival_order(std::vector<std::vector<Batch>> sent) {
  std::vector<Sent> all;
  for (size_t sender = 0; sender < sent.size(); ++sender)
    for (Batch& batch : sent[sender]) all.push_back({std::move(batch), sender});
  std::stable_sort(all.begin(), all.end(),
                   [](const Sent& a, const Sent& b) { return a.batch.ordinal < b.batch.ordinal; });
  std::vector<Batch> out;
  for (size_t begin = 0, end; begin < all.size(); begin = end) {
    for (end = begin + 1; end < all.size() && all[end].batch.ordinal == all[begin].batch.ordinal;) ++end;
    const std::span<Sent> parts(&all[begin], end - begin);
    if (is_mixed(parts))
      merge(parts, out);
    else
      for (Sent& part : parts) out.push_back(std::move(part.batch));
  }
  return out;
}

}  // namespace headrace
