// Numbers and texts in a row of bytes, little-endian; reading stops at the end instead of running over it.
#pragma once

#include <cstring>
#include <string>
#include <string_view>

namespace headrace {

template <class T>
void put_number(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

inline void put_text(std::string& out, std::string_view text) {
  put_number(out, static_cast<uint32_t>(text.size()));
  out.append(text);
}

/// Takes numbers and texts off the front of a view. After the first miss everything is zero or empty, and ok() is
/// false.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  template <class T>
  T number() {
    T value{};
    std::string_view bytes = take(sizeof value);
    if (ok_) std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  std::string_view text() { return take(number<uint32_t>()); }
  std::string_view take(size_t count) {
    if (count > rest_.size()) ok_ = false;
    if (!ok_) return {};
    std::string_view out = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return out;
  }
  bool ok() const { return ok_; }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace headrace
