// The memory that the engine shares with one worker process. python/headrace/worker/segment.py has the same numbers.
//
// One call is in flight at a time. Who may write what is said by `state`:
//   starting --(worker: loaded)--> free --(engine)--> request --(worker)--> running --(worker)--> result | error
//   --(engine)--> free
// The engine writes the arguments while the state is free; the worker reads them and writes the result while it is
// request or running. A store of `state` publishes all that its writer wrote before. Each side first spins for a while
// and then sleeps on a socket: it sets its `sleeps` word, looks at the state once more and waits; the other side stores
// the state, then takes the word, and sends a byte if it was set. All four are sequentially consistent, so at least one
// of them sees the other.
//
// A function may write over all of this. The engine therefore uses nothing from here but by copying and checking it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace headrace {

enum class SlotState : uint32_t { starting = 0, free = 1, request = 2, running = 3, result = 4, error = 5 };

struct SegmentHeader {
  static constexpr uint32_t magic_value = 0x48645564;

  uint32_t magic;
  alignas(64) std::atomic<uint32_t> state;
  alignas(64) std::atomic<uint32_t> engine_sleeps;
  alignas(64) std::atomic<uint32_t> worker_sleeps;

  struct EngineFields {
    uint32_t generation;  ///< Counts the calls; the worker gives it back.
    uint32_t rows;
    uint32_t argument_spans;
    uint32_t
        one_by_one;  ///< 1 = find the first row that fails: each row is a call, `row` says which, no result is written.
    uint64_t result_start, result_bytes;
  };
  alignas(64) EngineFields engine;

  struct WorkerFields {
    uint32_t generation;
    uint32_t error_code;   ///< A Code, or error_result_too_large.
    uint32_t error_bytes;  ///< The error's text stands at result_start.
    uint32_t result_spans;
    uint64_t busy_ns;
    uint64_t resident_bytes;
    uint64_t ends;     ///< 1 = the worker ends after this answer: it has used up its memory.
    uint64_t looks;    ///< Counts the times that it has measured resident_bytes.
    uint64_t reports;  ///< Counts the texts at report_at.
  };
  alignas(64) WorkerFields worker;

  alignas(64) std::atomic<uint32_t> row;  ///< Written by the worker: the row it is at, one by one; in the end the
                                          ///< number of rows.
};

inline constexpr uint32_t error_result_too_large = 1;

inline constexpr size_t argument_spans_at = 4096;
inline constexpr size_t result_spans_at = 12288;
inline constexpr size_t spans_max = (result_spans_at - argument_spans_at) / 16;  ///< Of 16 bytes: duck/arrow.h.
inline constexpr size_t report_at = 20480;  ///< u32 size, then JSON: types of objects that grow, gauges.
inline constexpr size_t report_bytes = 8192;
inline constexpr size_t arguments_at = 32768;
inline constexpr size_t arguments_bytes = 64 << 20;  ///< Address space; only what is touched takes memory.
inline constexpr size_t result_at = arguments_at + arguments_bytes;
inline constexpr size_t result_bytes = 64 << 20;
inline constexpr size_t segment_bytes = result_at + result_bytes;

static_assert(offsetof(SegmentHeader, state) == 64 && offsetof(SegmentHeader, engine) == 256 &&
              offsetof(SegmentHeader, worker) == 320 && offsetof(SegmentHeader, row) == 384);
static_assert(std::atomic<uint32_t>::is_always_lock_free);

}  // namespace headrace
