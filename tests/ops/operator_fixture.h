// Tests of one operator by itself, which may be made anew with the state that it had.
#pragma once

#include "duck/session_fixture.h"
#include "ops/low_points.h"
#include "ops/operator.h"

namespace headrace {

/// Of an operator with one table that is made of a `Node`.
template <class Op, class Node>
class OperatorTest : public SessionTest {
 protected:
  void reopen() { op_ = std::make_unique<Op>(node_, OperatorContext{*context_, plan_, low_points_}); }
  /// What a crash leaves: the table as it was saved, in a new operator.
  void restore() {
    const std::vector<Table::SavedBlock> saved = op_->tables()[0]->save(true);
    reopen();
    for (const Table::SavedBlock& block : saved) ASSERT_TRUE(op_->tables()[0]->load(block.block, {block.bytes}).ok());
    ASSERT_TRUE(op_->restored(EventTime::min()).ok());
  }

  Node node_;
  Plan plan_;
  LowPoints low_points_;
  std::unique_ptr<Op> op_;
};

}  // namespace headrace
