// NDJSON to columns: CPU seconds per million rows of our decoder, of plain simdjson and of DuckDB's read_json over the
// same file, one core each, interleaved, medians. Usage: codec_bench FILE.ndjson [rounds], where FILE holds NEXMark
// bids.
#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <ctime>
#include <duckdb.hpp>
#include <functional>
#include <map>

#include "base/file.h"
#include "codec/decoder.h"
#include "codec/records.h"

namespace headrace {
namespace {

double cpu_seconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

const std::vector<Field> bid_fields = {{"auction", LogicalType::BIGINT}, {"bidder", LogicalType::BIGINT},
                                       {"price", LogicalType::BIGINT},   {"channel", LogicalType::VARCHAR},
                                       {"url", LogicalType::VARCHAR},    {"dateTime", LogicalType::TIMESTAMP},
                                       {"extra", LogicalType::VARCHAR}};

/// As the file source does it: half a megabyte at a time, cut at the last record's end.
int64_t decode_file(const std::string& path, const std::vector<size_t>& columns) {
  const auto declared = std::make_shared<const Schema>(bid_fields);
  DecoderConfig config;
  config.format = "ndjson";
  config.declared = declared;
  config.schema = std::make_shared<const Schema>(declared->select(columns));
  auto decoder = make_decoder(config).value();
  const File file = File::open(path, File::Mode::read).value();
  constexpr size_t morsel_bytes = 512 * 1024;
  std::string bytes(morsel_bytes, '\0');
  uint64_t offset = 0;
  int64_t rows = 0, line = 1;
  while (size_t got = file.read_into(offset, bytes.data(), morsel_bytes).value()) {
    const std::string_view read(bytes.data(), got);
    const size_t end = got < morsel_bytes ? got : end_of_last_record({}, read);
    const Decoded decoded = decoder->decode(read.substr(0, end), path, line);
    if (!decoded.rejected.empty()) fmt::print("rejected: {}\n", decoded.rejected[0].reason);
    rows += decoded.records;
    line += count_lines(read.substr(0, end));
    offset += end;
  }
  return rows;
}

/// What a program would do that wants just these fields, in the order it knows, and keeps them in plain vectors.
int64_t simdjson_file(const std::string& path, bool all) {
  const simdjson::padded_string bytes = simdjson::padded_string::load(path).value();
  simdjson::ondemand::parser parser;
  simdjson::ondemand::document_stream documents = parser.iterate_many(bytes, 1 << 20);
  std::vector<int64_t> numbers;
  std::string texts;
  int64_t rows = 0;
  for (auto document : documents) {
    simdjson::ondemand::object object = document.get_object();
    numbers.push_back(object["auction"].get_int64());
    if (all) numbers.push_back(object["bidder"].get_int64());
    numbers.push_back(object["price"].get_int64());
    if (all) {
      for (const char* name : {"channel", "url", "dateTime", "extra"})
        texts.append(std::string_view(object[name].get_string()));
    }
    if (++rows % rows_per_batch == 0) {
      numbers.clear();
      texts.clear();
    }
  }
  return rows;
}

/// read_json with declared types; counting a column makes DuckDB decode it and nothing else.
int64_t duckdb_file(const std::string& path, const std::vector<size_t>& columns) {
  duckdb::DBConfig config;
  config.SetOptionByName("threads", duckdb::Value::BIGINT(1));
  duckdb::DuckDB database(nullptr, &config);
  duckdb::Connection connection(database);
  std::string types, counts;
  for (size_t column : columns) {
    types += fmt::format("{}{}: '{}'", types.empty() ? "" : ", ", bid_fields[column].name,
                         bid_fields[column].type.ToString());
    counts += fmt::format(", count({})", bid_fields[column].name);
  }
  auto result = connection.Query(fmt::format(
      "SELECT count(*){} FROM read_json('{}', format = 'newline_delimited', columns = {{{}}})", counts, path, types));
  if (result->HasError()) {
    fmt::print("duckdb: {}\n", result->GetError());
    return 0;
  }
  return result->GetValue(0, 0).GetValue<int64_t>();
}

int run(const std::string& path, int rounds) {
  const std::vector<size_t> all = {0, 1, 2, 3, 4, 5, 6}, two = {0, 2};
  const std::vector<std::pair<std::string, std::function<int64_t()>>> cases = {
      {"7 columns   headrace", [&] { return decode_file(path, all); }},
      {"7 columns   simdjson on-demand", [&] { return simdjson_file(path, true); }},
      {"7 columns   duckdb read_json", [&] { return duckdb_file(path, all); }},
      {"2 columns   headrace", [&] { return decode_file(path, two); }},
      {"2 columns   simdjson on-demand", [&] { return simdjson_file(path, false); }},
      {"2 columns   duckdb read_json", [&] { return duckdb_file(path, two); }},
  };
  std::vector<std::vector<double>> seconds(cases.size());
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < cases.size(); ++i) {
      const double begin = cpu_seconds();
      const int64_t rows = cases[i].second();
      seconds[i].push_back((cpu_seconds() - begin) / static_cast<double>(rows) * 1e6);
    }
  }
  for (size_t i = 0; i < cases.size(); ++i) {
    std::sort(seconds[i].begin(), seconds[i].end());
    const double median = seconds[i][seconds[i].size() / 2];
    fmt::print("{:<34} median {:.3f}  best {:.3f} CPU s per million rows   {:.2f} x headrace\n", cases[i].first, median,
               seconds[i].front(), median / seconds[i / 3 * 3][seconds[i].size() / 2]);
  }
  return 0;
}

}  // namespace
}  // namespace headrace

int main(int count, char** arguments) {
  if (count < 2) {
    fmt::print("usage: codec_bench FILE.ndjson [rounds]\n");
    return 2;
  }
  return headrace::run(arguments[1], count > 2 ? std::atoi(arguments[2]) : 7);
}
