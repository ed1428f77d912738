// Plays files again at the pace of their event time: a row is released when as much time has passed since the first
// one, times `speed`. Decodes the rows itself, for it has to look at their time.
#pragma once

#include <memory>

#include "codec/decoder.h"
#include "connect/file/source.h"

namespace headrace {

class ReplaySource final : public Source {
 public:
  /// Errors: bad_config without a time column.
  static Result<std::unique_ptr<Source>> make(const SourceContext& context, std::unique_ptr<Source> files);

  Result<> open(const std::optional<Position>& from) override;
  Result<Polled> poll(int64_t bytes_max) override;
  Position position() const override;
  Result<> committed(const Position&) override { return {}; }
  std::optional<int64_t> lag_bytes() const override { return files_->lag_bytes(); }
  uint32_t splits() const override { return files_->splits(); }
  std::string split_name(uint32_t split) const override { return files_->split_name(split); }

 private:
  ReplaySource(const SourceContext& context, std::unique_ptr<Source> files, std::unique_ptr<Decoder> decoder);
  /// Leaves of a morsel that was just loaded what lies before `end_`.
  void stop_at_end();
  /// Decodes the next morsel. False: there is none.
  Result<bool> load();
  bool loaded() const { return released_ < decoded_.records; }
  /// The record that comes next is a broken one.
  bool next_is_rejected() const {
    return rejected_at_ < decoded_.rejected.size() && decoded_.rejected[rejected_at_].index == released_;
  }
  /// Microseconds until the next record is due; 0 = now.
  int64_t wait_us();
  void release(Morsel& out);
  void flush_rows(Morsel& out, std::vector<uint32_t>& rows);

  const std::unique_ptr<Source> files_;
  const std::unique_ptr<Decoder> decoder_;
  const double speed_;
  const size_t time_column_;
  const Clock* clock_;

  Position before_;  ///< Where the files stood before the morsel that is being released.
  std::string origin_;
  uint32_t split_ = 0;
  bool split_ends_ = false;  ///< To be told.
  Decoded decoded_;
  int64_t released_ = 0;  ///< Records of the morsel.
  size_t batch_ = 0, rejected_at_ = 0;
  int64_t row_ = 0;   ///< Next in `batch_`.
  int64_t skip_ = 0;  ///< Records to pass over after a restart.
  std::string skip_file_;
  bool ended_ = false;
  std::optional<FilePlace> end_;           ///< The place within a morsel where reading again ends.
  std::optional<int64_t> first_event_us_;  ///< Set with the first row; together with the clock's reading then.
  int64_t first_ns_ = 0;
};

}  // namespace headrace
