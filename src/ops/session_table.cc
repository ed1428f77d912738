#include "ops/session_table.h"

#include <algorithm>
#include <cstring>

#include "ops/window_math.h"

namespace headrace {
namespace {

using Session = SessionTable::Session;

TableSpec sessions_spec(const std::vector<LogicalType>& keys, std::vector<LogicalType> values, size_t plain_bytes) {
  TableSpec out;
  out.name = "sessions";
  out.key = SessionTable::key_of(keys);
  out.values = std::move(values);
  out.plain_bytes = plain_bytes;
  return out;
}

/// The upper bits stay those of the key: they say on which shard it lives.
uint64_t row_hash(uint64_t key_hash, int64_t number) {
  if (number == 0) return key_hash;
  const uint64_t mixed = (key_hash ^ static_cast<uint64_t>(number)) * 0x9E3779B97F4A7C15;
  return (key_hash & 0xFFC0000000000000) | ((mixed ^ mixed >> 29) & 0x003FFFFFFFFFFFFF);
}

}  // namespace

std::vector<LogicalType> SessionTable::key_of(const std::vector<LogicalType>& keys) {
  std::vector<LogicalType> out = keys;
  out.push_back(LogicalType::BIGINT);
  return out;
}

SessionTable::SessionTable(const std::vector<LogicalType>& keys, std::vector<LogicalType> values, int64_t gap_ms,
                           size_t own_bytes)
    : gap_ms_(gap_ms),
      piece_ms_(std::max<int64_t>(1, gap_ms / 32)),
      session_offset_((own_bytes + 7) / 8 * 8),
      table_(sessions_spec(keys, std::move(values), session_offset_ + sizeof(Session))) {}

std::vector<Slot> SessionTable::open() const {
  std::vector<Slot> out;
  for (Slot slot : table_.slots())
    if (at(slot).state == Session::open) out.push_back(slot);
  std::sort(out.begin(), out.end(), [&](Slot a, Slot b) { return at(a).end < at(b).end; });
  return out;
}

void SessionTable::find_heads(DataChunk& keys, const uint64_t* hashes, size_t count, Slot* heads) {
  DataChunk wanted;
  wanted.InitializeEmpty({table_.spec().key.begin(), table_.spec().key.end()});
  for (size_t i = 0; i < keys.ColumnCount(); ++i) wanted.data[i].Reference(keys.data[i]);
  wanted.data[keys.ColumnCount()].Reference(duckdb::Value::BIGINT(0));
  wanted.SetCardinality(count);
  uint8_t created[STANDARD_VECTOR_SIZE];
  table_.find_or_create(wanted, hashes, count, heads, created);
  for (size_t i = 0; i < count; ++i) {
    if (!created[i]) continue;
    Session& own = session(heads[i]);
    own.head = heads[i];
    own.key_hash = hashes[i];
  }
}

void SessionTable::forget_unused(Slot head) {
  if (table_.is_used(head) && at(head).state == Session::vacant && at(head).newest_plus_one == 0) table_.erase(head);
}

void SessionTable::set_timer(Slot slot) {
  const int64_t piece = floor_div(at(slot).end, piece_ms_);
  session(slot).timer = piece;
  timers_[piece].push_back(slot);
}

/// Makes a session between two neighbours in its key's chain.
Slot SessionTable::add(Slot head, Slot newer, Slot older, int64_t start, int64_t end, int64_t floor) {
  Slot slot = head;
  if (at(head).state != Session::vacant) {
    const uint64_t key_hash = at(head).key_hash;
    const int64_t number = ++session(head).numbers;
    slot = table_.create_like(head, table_.layout().key_columns - 1, number, row_hash(key_hash, number));
    session(slot).head = head;
    session(slot).key_hash = key_hash;
  }
  Session& own = session(slot);
  own.start = start;
  own.end = end;
  own.floor = floor;
  own.state = Session::open;
  own.older_plus_one = older == missing_slot ? 0 : older + 1;
  if (newer == missing_slot)
    session(head).newest_plus_one = slot + 1;
  else
    session(newer).older_plus_one = slot + 1;
  set_timer(slot);
  return slot;
}

SessionTable::Place SessionTable::place(Slot head, int64_t time, int64_t watermark) {
  Slot newer = missing_slot;  // The last one in the chain that begins behind the row and is not touched.
  Slot touched[2] = {missing_slot, missing_slot};  // A row between two sessions may touch both.
  Slot next = at(head).newest_plus_one;
  for (; next != 0; next = at(next - 1).older_plus_one) {
    const Session& one = at(next - 1);
    if (one.end < time) break;
    if (one.start - gap_ms_ > time) {
      newer = next - 1;
      continue;
    }
    if (one.end - 1 <= watermark) return {};
    touched[touched[0] != missing_slot] = next - 1;
  }
  if (touched[0] == missing_slot) {
    if (time + gap_ms_ - 1 <= watermark) return {};
    const int64_t floor = watermark == INT64_MIN ? INT64_MIN : watermark + 1 - gap_ms_;
    return {add(head, newer, next - 1, time, time + gap_ms_, floor), missing_slot};
  }
  const Slot into = touched[1] != missing_slot ? touched[1] : touched[0];
  if (time < at(into).start && time <= at(into).floor) return {};
  Session& grown = session(into);
  grown.start = std::min(grown.start, time);
  grown.end = std::max(at(touched[0]).end, time + gap_ms_);
  if (into == touched[0]) return {into, missing_slot};
  session(touched[0]).state = Session::absorbed;
  if (newer == missing_slot)
    session(head).newest_plus_one = into + 1;
  else
    session(newer).older_plus_one = into + 1;
  return {into, touched[0]};
}

Slot SessionTable::find_open(Slot head, int64_t time, int64_t watermark) const {
  for (Slot next = at(head).newest_plus_one; next != 0; next = at(next - 1).older_plus_one) {
    const Session& one = at(next - 1);
    if (one.start <= time && time <= one.end - gap_ms_) return one.end - 1 <= watermark ? missing_slot : next - 1;
  }
  return missing_slot;
}

void SessionTable::unlink(Slot slot) {
  const Slot older = at(slot).older_plus_one, head = at(slot).head;
  if (at(head).newest_plus_one == slot + 1) {
    session(head).newest_plus_one = older;
    return;
  }
  Slot before = at(head).newest_plus_one - 1;
  while (at(before).older_plus_one != slot + 1) before = at(before).older_plus_one - 1;
  session(before).older_plus_one = older;
}

void SessionTable::drop(Slot slot) {
  const Slot head = at(slot).head;
  if (slot == head) {
    session(head).state = Session::vacant;
    std::memset(table_.plain(head), 0, session_offset_);
  } else {
    table_.erase(slot);
  }
}

void SessionTable::refit(Slot slot, const std::vector<int64_t>& times) {
  if (times.empty()) {
    unlink(slot);
    drop(slot);
    return;
  }
  const Slot head = at(slot).head;
  size_t begin = 0, parts = 0;
  Slot older = at(slot).older_plus_one - 1;
  Slot newer = at(head).newest_plus_one - 1 == slot ? missing_slot : at(head).newest_plus_one - 1;
  while (newer != missing_slot && at(newer).older_plus_one != slot + 1) newer = at(newer).older_plus_one - 1;
  for (size_t i = 1; i <= times.size(); ++i) {
    if (i < times.size() && times[i] - times[i - 1] <= gap_ms_) continue;
    if (parts++ == 0) {
      session(slot).start = times[begin];
      session(slot).end = times[i - 1] + gap_ms_;
      set_timer(slot);
      older = slot;
    } else {
      older = add(head, newer, older, times[begin], times[i - 1] + gap_ms_, at(slot).floor);
    }
    begin = i;
  }
}

std::vector<Slot> SessionTable::close(int64_t watermark) {
  struct Due {
    int64_t end;
    uint64_t key_hash;
    Slot slot;
    bool operator<(const Due& other) const { return end != other.end ? end < other.end : key_hash < other.key_hash; }
  };
  std::vector<Due> due;
  while (!timers_.empty() && timers_.begin()->first * piece_ms_ - 1 <= watermark) {
    const int64_t piece = timers_.begin()->first;
    std::vector<Slot> looked_at = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    std::vector<Slot> later;
    for (Slot slot : looked_at) {
      // A row that was let go meanwhile, or has another timer, is not meant.
      if (!table_.is_used(slot) || at(slot).state != Session::open || at(slot).timer != piece) continue;
      const Session& one = at(slot);
      if (one.end - 1 <= watermark) {
        due.push_back({one.end, one.key_hash, slot});
        session(slot).state = Session::closed;
      } else if (floor_div(one.end, piece_ms_) == piece) {
        later.push_back(slot);
      } else {
        set_timer(slot);
      }
    }
    if (later.empty()) continue;
    timers_[piece] = std::move(later);
    break;
  }
  std::sort(due.begin(), due.end());
  std::vector<Slot> out;
  for (const Due& one : due) {
    out.push_back(one.slot);
    closed_.emplace_back(one.end, one.slot);
  }
  return out;
}

EventTime SessionTable::last_due() const {
  const std::vector<Slot> all = open();
  return all.empty() ? EventTime::min() : EventTime{at(all.back()).end - 1};
}

/// True when a row may still come that joins an open session and would have joined this closed one as well: then it is
/// late, and the closed one must be there to say so.
bool SessionTable::bars(Slot closed) const {
  Slot newer = missing_slot;
  for (Slot next = at(at(closed).head).newest_plus_one; next != closed + 1; next = at(next - 1).older_plus_one)
    newer = next - 1;
  return newer != missing_slot && at(newer).state == Session::open && at(newer).floor < at(closed).end;
}

void SessionTable::forget(int64_t watermark) {
  std::vector<std::pair<int64_t, Slot>> kept;
  while (!closed_.empty() && closed_.front().first - 1 <= watermark - gap_ms_) {
    const Slot slot = closed_.front().second;
    if (bars(slot)) kept.push_back(closed_.front());
    closed_.pop_front();
    if (!kept.empty() && kept.back().second == slot) continue;
    const Slot head = at(slot).head;
    unlink(slot);
    drop(slot);
    forget_unused(head);
  }
  closed_.insert(closed_.begin(), kept.begin(), kept.end());
}

/// Writes into each row where its key's head is now.
void SessionTable::find_head_rows(const std::vector<Slot>& slots) {
  const size_t keys = table_.layout().key_columns - 1;
  for (size_t first = 0; first < slots.size(); first += rows_per_batch) {
    const size_t count = std::min<size_t>(rows_per_batch, slots.size() - first);
    DataChunk wanted;
    wanted.Initialize(duckdb::Allocator::DefaultAllocator(), {table_.spec().key.begin(), table_.spec().key.end()});
    for (size_t i = 0; i < keys; ++i) table_.gather(i, &slots[first], count, wanted.data[i]);
    wanted.data[keys].Reference(duckdb::Value::BIGINT(0));
    wanted.SetCardinality(count);
    uint64_t hashes[STANDARD_VECTOR_SIZE];
    Slot heads[STANDARD_VECTOR_SIZE];
    for (size_t i = 0; i < count; ++i) hashes[i] = at(slots[first + i]).key_hash;
    table_.find(wanted, hashes, count, heads);
    for (size_t i = 0; i < count; ++i) session(slots[first + i]).head = heads[i];
  }
}

void SessionTable::restored() {
  timers_.clear();
  closed_.clear();
  std::vector<Slot> all = table_.slots();
  find_head_rows(all);
  // From the oldest to the newest, so that each becomes the first of its chain.
  std::sort(all.begin(), all.end(), [&](Slot a, Slot b) { return at(a).start < at(b).start; });
  for (Slot slot : all) session(slot).newest_plus_one = 0;
  for (Slot slot : all) {
    const Session::State state = at(slot).state;
    if (state != Session::open && state != Session::closed) continue;
    const Slot head = at(slot).head;
    session(slot).older_plus_one = at(head).newest_plus_one;
    session(head).newest_plus_one = slot + 1;
    if (state == Session::open)
      set_timer(slot);
    else
      closed_.emplace_back(at(slot).end, slot);
  }
  std::sort(closed_.begin(), closed_.end());
}

}  // namespace headrace
