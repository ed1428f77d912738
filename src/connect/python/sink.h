// Rows to a user's function (@hr.sink): written to a file with the checkpoint, handed over when it is durable.
#pragma once

#include "connect/python/functions.h"

namespace headrace {

class PythonSink final : public Sink {
 public:
  static Result<std::unique_ptr<Sink>> make(const SinkContext& context);

  Result<> open(const SinkRestore& restore) override;
  Result<> write(const Batch& batch) override;
  Result<std::string> prepare(const CommitIdentity& identity) override;
  Result<> commit(const CommitIdentity& identity, const std::string& prepared) override;

 private:
  PythonSink(UserFunction function, const SinkContext& context);
  void append_row(const Batch& batch, int64_t row, bool added);

  const UserFunction function_;
  const SchemaRef schema_;
  const bool append_only_;
  const std::string folder_;
  std::string records_;
};

}  // namespace headrace
