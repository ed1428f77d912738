#include "connect/python/source.h"

#include "base/log_line.h"

namespace headrace {
namespace {

constexpr size_t waiting_bytes_max = 8 << 20;  // Read ahead of the engine.
constexpr int tries_max = 6;
constexpr int64_t first_pause_ms = 100;

}  // namespace

Result<std::unique_ptr<Source>> PythonSource::make(const SourceContext& context) {
  HEADRACE_ASSIGN(UserFunction function,
                  find_connector_function(context.functions, FunctionKind::source, context.options->text("function")));
  return std::unique_ptr<Source>(new PythonSource(function, context.wake));
}

PythonSource::~PythonSource() {
  {
    std::lock_guard lock(mutex_);
    leaving_ = true;
  }
  change_.notify_all();
  if (reader_.joinable()) reader_.join();
}

Result<> PythonSource::open(const std::optional<Position>& from) {
  if (from) position_ = from->text;
  reader_ = std::thread([this] { read(); });
  return {};
}

/// The reading thread: asks the generator for more until it ends, and keeps what it gives until the engine takes it.
void PythonSource::read() {
  std::string position = position_;
  int tries = 0;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      change_.wait(lock, [&] { return leaving_ || waiting_bytes_ < waiting_bytes_max; });
      if (leaving_) return;
    }
    Result<Piece> piece = ask(position);
    std::unique_lock lock(mutex_);
    if (!piece) {
      const Error& error = piece.error();
      log_line(LogLevel::warning, "source_function_failed",
               {{"function", function_.description().name}, {"error", error.text()}});
      if (++tries == tries_max) failure_ = error;
      change_.wait_for(lock, std::chrono::milliseconds(first_pause_ms << tries), [&] { return leaving_; });
    } else {
      tries = 0;
      position = piece->position;
      if (piece->records->empty() && !piece->ended) continue;
      waiting_bytes_ += piece->records->size();
      pieces_.push_back(*std::move(piece));
    }
    wake_();
    if (leaving_ || failure_ || (piece && pieces_.back().ended)) return;
  }
}

Result<PythonSource::Piece> PythonSource::ask(const std::string& position) const {
  Vector result(function_.description().result, 1);
  const duckdb::Value from = position.empty() ? duckdb::Value(LogicalType::VARCHAR) : duckdb::Value(position);
  HEADRACE_TRY(call_once(function_, {from}, result));
  const duckdb::vector<duckdb::Value> parts = duckdb::StructValue::GetChildren(result.GetValue(0));
  Piece out;
  out.records = std::make_shared<std::string>(parts[0].GetValue<std::string>());
  if (!parts[1].IsNull()) out.position = parts[1].GetValue<std::string>();
  out.ended = parts[2].GetValue<bool>();
  return out;
}

Result<Polled> PythonSource::poll(int64_t bytes_max) {
  Polled out;
  {
    std::lock_guard lock(mutex_);
    if (failure_ && pieces_.empty()) return *failure_;
    for (int64_t taken = 0; !pieces_.empty() && taken < bytes_max; pieces_.pop_front()) {
      Piece& piece = pieces_.front();
      taken += static_cast<int64_t>(piece.records->size());
      waiting_bytes_ -= piece.records->size();
      position_ = piece.position;
      ended_ = piece.ended;
      if (piece.records->empty()) continue;
      Morsel morsel;
      morsel.bytes = std::move(piece.records);
      morsel.origin = "function " + function_.description().name;
      out.morsels.push_back(std::move(morsel));
    }
    out.caught_up = pieces_.empty();
    if (!pieces_.empty()) out.backlog = {0};
    out.end_of_input = ended_ && pieces_.empty();
  }
  change_.notify_all();
  return out;
}

}  // namespace headrace
