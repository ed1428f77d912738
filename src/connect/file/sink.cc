#include "connect/file/sink.h"

#include <fmt/format.h>

#include <charconv>

#include "base/json_text.h"
#include "base/text.h"
#include "codec/records.h"
#include "connect/file/source.h"

namespace headrace {
namespace {

/// What prepare() promises: `bytes` bytes wait in part `part` and belong into the file at `offset`.
struct Prepared {
  uint64_t offset = 0;
  uint64_t bytes = 0;
  uint64_t part = 0;

  std::string text() const { return fmt::format("{{\"offset\":{},\"bytes\":{},\"part\":{}}}", offset, bytes, part); }

  static Result<Prepared> parse(const std::string& text) {
    Prepared out;
    const auto number = [&](std::string_view name, uint64_t& value) {
      const std::string key = fmt::format("\"{}\":", name);
      const size_t at = text.find(key);
      if (at == std::string::npos) return false;
      return std::from_chars(text.data() + at + key.size(), text.data() + text.size(), value).ec == std::errc();
    };
    if (number("offset", out.offset) && number("bytes", out.bytes) && number("part", out.part)) return out;
    return Error{
        Code::corrupt_state, Blame::environment, Retry::never, "not a prepared commit of a file sink: " + text, {}, {}};
  }
};

}  // namespace

Result<std::vector<size_t>> key_of(const SinkContext& context) {
  const std::vector<std::string> names = split_names(context.options->text("key"));
  if (names.empty()) return context.key;
  std::vector<size_t> key;
  for (const std::string& name : names) {
    const std::optional<size_t> column = context.schema->find(name);
    if (!column) {
      return user_error(Code::key_mismatch, fmt::format("sink {} has key column '{}', but its query gives ({})",
                                                        context.name, name, context.schema->text()));
    }
    key.push_back(*column);
  }
  return key;
}

// ---------------------------------------------------------------------------------------------------------------
// UpsertEpoch

void UpsertEpoch::add(const std::string& key, std::string record, bool insert) {
  const auto [found, is_new] = by_key_.try_emplace(key, changes_.size());
  if (is_new) changes_.push_back({key, {}, {}});
  Change& change = changes_[found->second];
  record.replace(operation_at_, 2, "+I");  // So that a row and its retraction have the same text.
  if (insert) change.last_inserted = record;
  change.records[std::move(record)] += insert ? 1 : -1;
}

void UpsertEpoch::take(std::string& out) {
  for (Change& change : changes_) {
    const std::string* came = nullptr;
    const std::string* went = nullptr;
    for (const auto& [record, count] : change.records) {
      if (count < 0) went = &record;
      if (count > 0 && (came == nullptr || record == change.last_inserted)) came = &record;
    }
    const std::string* record = came ? came : went;
    if (record == nullptr) continue;
    const size_t begin = out.size();
    out += *record;
    out.replace(begin + operation_at_, 2, came == nullptr ? "-D" : went != nullptr ? "+U" : "+I");
  }
  changes_.clear();
  by_key_.clear();
}

// ------------------------------------------------------------------------------------------------------------------
// FileSink

FileSink::FileSink(FileSinkConfig config, std::unique_ptr<Encoder> encoder)
    : config_(std::move(config)),
      encoder_(std::move(encoder)),
      upserts_(config_.encoder.format == "csv"
                   ? 0
                   : std::string_view("{:").size() + json_string(config_.encoder.op_column).size() + 1) {}

Result<std::unique_ptr<Sink>> FileSink::make(const SinkContext& context) {
  const Options& options = *context.options;
  FileSinkConfig config;
  config.path = path_in(context.project_directory, options.text("path"));
  config.part_directory = context.own_directory();
  config.encoder.format = options.text("format");
  config.encoder.schema = context.schema;
  config.encoder.op_column = options.text("op_column");
  config.encoder.header = options.boolean("header");
  config.encoder.delimiter = options.text("delimiter")[0];
  const std::string changes = options.text("changes");
  config.encoder.changes = changes == "upsert"    ? Changes::upsert
                           : changes == "retract" ? Changes::retract
                                                  : Changes::append;
  if (config.encoder.changes == Changes::append && !context.append_only) {
    return user_error(Code::changelog_mismatch,
                      fmt::format("sink {} only appends, but the result of its query changes", context.name))
        .with_remedy("set changes = 'upsert' with a key, or changes = 'retract', or EMIT ON WINDOW CLOSE in the query");
  }
  HEADRACE_ASSIGN(config.key, key_of(context));
  if (config.encoder.changes == Changes::upsert && config.key.empty()) {
    return user_error(Code::bad_config, fmt::format("sink {} with changes = 'upsert' needs a key", context.name))
        .with_remedy("name the key's columns: key = 'a, b'");
  }
  if (config.encoder.changes == Changes::retract) config.encoder.key = config.key;
  HEADRACE_ASSIGN(std::unique_ptr<Encoder> encoder, make_encoder(config.encoder));
  return std::unique_ptr<Sink>(new FileSink(std::move(config), std::move(encoder)));
}

std::string FileSink::part_path(uint64_t part) const {
  return fmt::format("{}/{}.part", config_.part_directory, part);
}

Result<> FileSink::start_over() {
  HEADRACE_ASSIGN(const std::vector<std::string> names, list_directory(config_.part_directory));
  for (const std::string& name : names) HEADRACE_TRY(remove_file(config_.part_directory + "/" + name));
  HEADRACE_ASSIGN(File file, File::open(config_.path, File::Mode::truncate));
  const std::string prologue = encoder_->prologue();
  HEADRACE_TRY(file.write(prologue));
  HEADRACE_TRY(file.sync());
  committed_ = prologue.size();
  return sync_directory(directory_of(config_.path));
}

Result<> FileSink::open(const SinkRestore& restore) {
  HEADRACE_TRY(make_directories(config_.part_directory));
  if (Result<> made = make_directories(directory_of(config_.path)); !made)
    return Error(std::move(made).error()).with_remedy("name a path that can be written in the option path");
  if (restore.last.epoch.value == 0 || restore.prepared.empty()) return start_over();
  HEADRACE_ASSIGN(const Prepared prepared, Prepared::parse(restore.prepared));
  next_part_ = prepared.part + 1;
  HEADRACE_TRY(commit(restore.last, restore.prepared));
  // What stands behind the commit came from epochs that no checkpoint knows.
  HEADRACE_ASSIGN(File file, File::open(config_.path, File::Mode::append));
  HEADRACE_ASSIGN(const uint64_t size, file.size());
  if (size > committed_) {
    HEADRACE_TRY(file.truncate(committed_));
    HEADRACE_TRY(file.sync());
  }
  return {};
}

Result<> FileSink::write(const Batch& batch) {
  if (config_.encoder.changes == Changes::upsert) {
    write_upserts(batch);
  } else {
    encoder_->encode(batch, records_);
  }
  return {};
}

void FileSink::write_upserts(const Batch& batch) {
  std::string encoded, key;
  encoder_->encode(batch, encoded);
  std::string_view left = encoded;
  const Framing framing{config_.encoder.format == "csv", config_.encoder.delimiter};
  for (int64_t row = 0; row < batch.rows(); ++row) {
    key.clear();
    for (size_t column : config_.key) {
      append_json_value(key, batch.chunk.data[column], row);
      key += ',';
    }
    for (int32_t copy = 0; copy < std::abs(batch.diff(row)); ++copy) {
      const size_t length = end_of_first_record(framing, left);
      upserts_.add(key, std::string(left.substr(0, length)), batch.diff(row) > 0);
      left.remove_prefix(length);
    }
  }
}

Result<std::string> FileSink::prepare(const CommitIdentity&) {
  upserts_.take(records_);
  const Prepared prepared{committed_, records_.size(), next_part_};
  if (records_.empty()) return prepared.text();
  HEADRACE_ASSIGN(File part, File::open(part_path(prepared.part), File::Mode::truncate));
  HEADRACE_TRY(part.write(records_));
  HEADRACE_TRY(part.sync());
  HEADRACE_TRY(sync_directory(config_.part_directory));
  // Only now: had the disk been full, the next try would have found the epoch's records still here.
  records_.clear();
  ++next_part_;
  return prepared.text();
}

Result<> FileSink::commit(const CommitIdentity&, const std::string& text) {
  HEADRACE_ASSIGN(const Prepared prepared, Prepared::parse(text));
  const uint64_t end = prepared.offset + prepared.bytes;
  HEADRACE_ASSIGN(File file, File::open(config_.path, File::Mode::append));
  HEADRACE_ASSIGN(const uint64_t size, file.size());
  if (size < prepared.offset) {
    return Error{Code::commit_rejected,
                 Blame::environment,
                 Retry::never,
                 fmt::format("{} has {} bytes, but {} were committed: someone else changed it", config_.path, size,
                             prepared.offset),
                 {},
                 {}}
        .with_remedy("start with a new state directory to write it anew");
  }
  const std::string part = part_path(prepared.part);
  // The part goes only after the file is durable: without it, the commit has landed before.
  if (prepared.bytes > 0 && file_exists(part)) {
    HEADRACE_ASSIGN(const std::string records, read_file(part));
    if (size > prepared.offset) HEADRACE_TRY(file.truncate(prepared.offset));
    crash_point("file_sink_commit");
    if (Result<> written = file.write(records); !written.ok()) {
      HEADRACE_TRY(file.truncate(prepared.offset));  // A full disk must not leave half a record to be seen.
      return written;
    }
    HEADRACE_TRY(file.sync());
    HEADRACE_TRY(remove_file(part));
  } else if (size < end) {
    return Error{
        Code::corrupt_state,
        Blame::environment,
        Retry::never,
        fmt::format("{} has {} of {} committed bytes, and the part with the rest is gone", config_.path, size, end),
        {},
        {}};
  }
  committed_ = end;
  return {};
}

}  // namespace headrace
