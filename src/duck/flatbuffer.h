// A writer of flatbuffers, as much of it as Arrow's metadata needs. Written from the end to the front, as the format
// wants: what a table refers to is written before it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace headrace {

class FlatBuffer {
 public:
  /// A written part, counted from the buffer's end.
  using Ref = uint32_t;

  Ref text(std::string_view value) {
    align(4, value.size() + 1);
    reversed_.push_back('\0');
    reversed_.append(value.rbegin(), value.rend());
    push(static_cast<uint32_t>(value.size()));
    return here();
  }

  Ref refs(std::span<const Ref> items) {
    align(4, 4 * items.size());
    for (size_t i = items.size(); i-- > 0;) push_ref(items[i]);
    push(static_cast<uint32_t>(items.size()));
    return here();
  }

  /// A vector of structs of two int64 each.
  Ref pairs(std::span<const std::pair<int64_t, int64_t>> items) {
    align(4, 16 * items.size());
    align(8, 16 * items.size());
    for (size_t i = items.size(); i-- > 0;) {
      push(items[i].second);
      push(items[i].first);
    }
    push(static_cast<uint32_t>(items.size()));
    return here();
  }

  void begin_table(size_t slots) {
    slots_.assign(slots, 0);
    table_start_ = here();
  }
  template <class T>
  void scalar(size_t slot, T value) {
    align(sizeof(T), 0);
    push(value);
    slots_[slot] = here();
  }
  void ref(size_t slot, Ref value) {
    align(4, 0);
    push_ref(value);
    slots_[slot] = here();
  }
  Ref end_table() {
    align(4, 0);
    push(int32_t{0});  // How far the table's list of slots lies before it; known below.
    Ref table = here();
    for (size_t i = slots_.size(); i-- > 0;) push(static_cast<uint16_t>(slots_[i] ? table - slots_[i] : 0));
    push(static_cast<uint16_t>(table - table_start_));
    push(static_cast<uint16_t>((slots_.size() + 2) * 2));
    uint32_t distance = here() - table;
    for (size_t i = 0; i < 4; ++i) reversed_[table - 1 - i] = static_cast<char>(distance >> (8 * i));
    return table;
  }

  std::string finish(Ref root) {
    align(std::max<size_t>(align_max_, 4), 4);
    push_ref(root);
    return std::string(reversed_.rbegin(), reversed_.rend());
  }

 private:
  Ref here() const { return static_cast<Ref>(reversed_.size()); }
  /// Pads so that after `further` more bytes the position is a multiple of `size`.
  void align(size_t size, size_t further) {
    align_max_ = std::max(align_max_, size);
    reversed_.append((size - (reversed_.size() + further) % size) % size, '\0');
  }
  template <class T>
  void push(T value) {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    for (size_t i = sizeof(T); i-- > 0;) reversed_.push_back(bytes[i]);
  }
  void push_ref(Ref to) { push(static_cast<uint32_t>(here() + 4 - to)); }

  std::string reversed_;
  std::vector<Ref> slots_;
  Ref table_start_ = 0;
  size_t align_max_ = 1;
};

}  // namespace headrace
