// Which sessions of which keys are there. Sessions of one key are disjoint, and more than the gap apart; rows exactly
// the gap apart share one, and a session's end is its last time plus the gap.
#pragma once

#include <deque>
#include <map>
#include <vector>

#include "data/event_time.h"
#include "state/table.h"

namespace headrace {

/// State: table "sessions", keyed by the key's columns and a number within the key. The row of number 0 is also the
/// key's head, from which its sessions are chained, newest first. A session that has closed stays for another gap of
/// time: a row that touches it is late, as it would have made another session of it. One thread.
class SessionTable {
 public:
  struct Session {
    int64_t start, end;  ///< In ms; end = last time + gap.
    int64_t floor;       ///< Rows up to here would have been late when it began: they cannot make it begin earlier.
    uint64_t key_hash;
    int64_t numbers;       ///< Of a head: the numbers given so far.
    int64_t timer;         ///< The piece of time in which it is looked at next.
    Slot head;             ///< The row that stands for the key.
    Slot newest_plus_one;  ///< Of a head: its chain.
    Slot older_plus_one;   ///< Next in the chain.
    enum State : uint32_t { vacant, open, closed, absorbed } state;
  };

  /// Each row has `own_bytes` plain bytes for the operator, before the session's, and values of these types.
  SessionTable(const std::vector<LogicalType>& keys, std::vector<LogicalType> values, int64_t gap_ms, size_t own_bytes);
  /// The types of the table's key: those of the keys and a number.
  static std::vector<LogicalType> key_of(const std::vector<LogicalType>& keys);

  Table& table() { return table_; }
  const Table& table() const { return table_; }
  const Session& at(Slot slot) const {
    return *reinterpret_cast<const Session*>(table_.read_plain(slot) + session_offset_);
  }
  int64_t last_time(Slot slot) const { return at(slot).end - gap_ms_; }

  /// The heads of the keys, made where missing; forget_unused() lets go of a head whose key has no session.
  void find_heads(DataChunk& keys, const uint64_t* hashes, size_t count, Slot* heads);
  void forget_unused(Slot head);

  struct Place {
    Slot session = missing_slot;   ///< missing_slot: the row is late.
    Slot absorbed = missing_slot;  ///< A session that the row has joined to the first; to be dropped.
  };
  /// Puts a row of a key at a time, seen under a watermark.
  Place place(Slot head, int64_t time, int64_t watermark);
  /// Lets go of a session that stands in no chain any more. Heads stay, until forget_unused().
  void drop(Slot slot);
  /// The session of a key that holds `time`; missing_slot when there is none or it has closed under the watermark.
  Slot find_open(Slot head, int64_t time, int64_t watermark) const;
  /// Fits an open session to the times of the rows that are left in it, ascending: it may shrink, split or end.
  void refit(Slot session, const std::vector<int64_t>& times);

  /// Closes all sessions with end - 1 ms <= watermark; gives them in order of end, then of their keys' hashes.
  std::vector<Slot> close(int64_t watermark);
  /// When the open session that closes last is due; the earliest time when none is open.
  EventTime last_due() const;
  /// Those that are open, in order of end.
  std::vector<Slot> open() const;
  /// Forgets closed sessions that only rows that are late by themselves could touch.
  void forget(int64_t watermark);
  /// Chains the sessions again, after the table was loaded.
  void restored();

 private:
  Session& session(Slot slot) { return *reinterpret_cast<Session*>(table_.plain(slot) + session_offset_); }
  Slot add(Slot head, Slot newer, Slot older, int64_t start, int64_t end, int64_t floor);
  bool bars(Slot closed) const;
  void unlink(Slot slot);
  void set_timer(Slot slot);
  void find_head_rows(const std::vector<Slot>& slots);

  int64_t gap_ms_;
  int64_t piece_ms_;  ///< Sessions that end in the same piece of time are looked at together.
  size_t session_offset_;
  Table table_;
  std::map<int64_t, std::vector<Slot>> timers_;  ///< Open sessions by a piece of time at or before their end's.
  std::deque<std::pair<int64_t, Slot>> closed_;  ///< Closed sessions with their ends, ascending.
};

}  // namespace headrace
