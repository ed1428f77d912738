#include "duck/aggregate.h"

#include <algorithm>
#include <duckdb/common/allocator.hpp>
#include <duckdb/function/aggregate_function.hpp>
#include <duckdb/planner/expression/bound_aggregate_expression.hpp>
#include <duckdb/storage/arena_allocator.hpp>

#include "duck/failure.h"

namespace headrace {

struct BagFunction::State {
  std::unique_ptr<duckdb::BoundAggregateExpression> bound;
  duckdb::ArenaAllocator arena{duckdb::Allocator::DefaultAllocator()};
  std::vector<uint64_t> bytes;
  bool live = false;

  duckdb::data_ptr_t address() { return reinterpret_cast<duckdb::data_ptr_t>(bytes.data()); }
  duckdb::AggregateInputData input() { return {bound->bind_info.get(), arena}; }

  void destroy() {
    if (live && bound->function.destructor) {
      Vector addresses(duckdb::Value::POINTER(duckdb::CastPointerToValue(address())));
      duckdb::AggregateInputData data = input();
      bound->function.destructor(addresses, data, 1);
    }
    live = false;
  }
};

BagFunction::BagFunction(EvaluationContext&, const AggregateCall& call) : state_(std::make_unique<State>()) {
  duckdb::unique_ptr<duckdb::Expression> copy = call.bound->Copy();
  state_->bound.reset(&copy.release()->Cast<duckdb::BoundAggregateExpression>());
  state_->bytes.resize((state_->bound->function.state_size(state_->bound->function) + 7) / 8);
}

BagFunction::~BagFunction() {
  if (state_) state_->destroy();
}
BagFunction::BagFunction(BagFunction&&) noexcept = default;

void BagFunction::reset() {
  state_->destroy();
  state_->arena.Reset();
  state_->bound->function.initialize(state_->bound->function, state_->address());
  state_->live = true;
}

Result<> BagFunction::add(DataChunk& arguments) {
  return guarded(Code::expression_failed, [&]() -> Result<> {
    duckdb::AggregateInputData data = state_->input();
    for (size_t at = 0; at < arguments.size(); at += STANDARD_VECTOR_SIZE) {
      size_t count = std::min<size_t>(STANDARD_VECTOR_SIZE, arguments.size() - at);
      DataChunk part;
      part.InitializeEmpty(arguments.GetTypes());
      for (size_t column = 0; column < part.ColumnCount(); ++column)
        part.data[column].Slice(arguments.data[column], at, at + count);
      Vector addresses(duckdb::Value::POINTER(duckdb::CastPointerToValue(state_->address())));
      addresses.Flatten(count);
      state_->bound->function.update(part.data.data(), data, part.ColumnCount(), addresses, count);
    }
    return {};
  });
}

Result<> BagFunction::result(Vector& out, size_t row) {
  return guarded(Code::expression_failed, [&]() -> Result<> {
    Vector addresses(duckdb::Value::POINTER(duckdb::CastPointerToValue(state_->address())));
    duckdb::AggregateInputData data = state_->input();
    Vector one(state_->bound->return_type, 1);
    state_->bound->function.finalize(addresses, data, one, 1, 0);
    out.SetValue(row, one.GetValue(0));
    return {};
  });
}

}  // namespace headrace
