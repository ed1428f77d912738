// Tests that evaluate expressions: a session of DuckDB, and a context to evaluate in.
#pragma once

#include <gtest/gtest.h>

#include "duck/session.h"

namespace headrace {

class SessionTest : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = SqlSession::open();
    ASSERT_TRUE(opened.ok()) << opened.error().text();
    session_ = *std::move(opened);
    context_ = session_->make_context();
  }

  std::unique_ptr<SqlSession> session_;
  std::unique_ptr<EvaluationContext> context_;
};

}  // namespace headrace
