#include "lake/iceberg_sink.h"

#include <csignal>

#include "lake/lake_fixture.h"

namespace headrace {

namespace {

using Keys = std::vector<int64_t>;

TEST_F(LakeTest, prepared_rows_are_durable_and_become_visible_with_the_commit) {
  auto sink = make_sink();
  ASSERT_TRUE(open(*sink, {}).ok());
  EXPECT_EQ(visible(), Keys{});
  Checkpoint first = prepare(*sink, {}, {1, 2});
  EXPECT_EQ(files_on_disk(), 1u);
  EXPECT_EQ(visible(), Keys{});
  ASSERT_TRUE(commit(*sink, first).ok());
  EXPECT_EQ(visible(), (Keys{1, 2}));
  ASSERT_TRUE(commit(*sink, first).ok());  // Idempotent.
  Checkpoint empty = prepare(*sink, first, {});
  ASSERT_TRUE(commit(*sink, empty).ok());
  Checkpoint third = prepare(*sink, empty, {3});
  ASSERT_TRUE(commit(*sink, third).ok());
  EXPECT_EQ(visible(), (Keys{1, 2, 3}));
}

TEST_F(LakeTest, a_restart_commits_what_was_prepared_once) {
  Checkpoint checkpoint;
  {
    auto sink = make_sink();
    ASSERT_TRUE(open(*sink, {}).ok());
    checkpoint = prepare(*sink, {}, {1});
  }
  for (int restart = 0; restart < 3; ++restart) {
    auto sink = make_sink();
    Result<> opened = open(*sink, checkpoint);
    ASSERT_TRUE(opened.ok()) << opened.error().text();
    EXPECT_EQ(visible(), Keys{1});
  }
}

TEST_F(LakeTest, an_aborted_epoch_leaves_no_rows_and_no_files) {
  Checkpoint first;
  {
    auto sink = make_sink();
    ASSERT_TRUE(open(*sink, {}).ok());
    first = prepare(*sink, {}, {1});
    ASSERT_TRUE(commit(*sink, first).ok());
    prepare(*sink, first, {99});  // Its checkpoint is never written.
  }
  EXPECT_EQ(files_on_disk(), 2u);
  auto sink = make_sink();
  ASSERT_TRUE(open(*sink, first).ok());
  EXPECT_EQ(files_on_disk(), 1u);
  ASSERT_TRUE(commit(*sink, prepare(*sink, first, {2})).ok());
  EXPECT_EQ(visible(), (Keys{1, 2}));
}

TEST_F(LakeTest, a_state_directory_that_was_put_back_is_refused) {
  Checkpoint first, second;
  {
    auto sink = make_sink();
    ASSERT_TRUE(open(*sink, {}).ok());
    first = prepare(*sink, {}, {1});
    ASSERT_TRUE(commit(*sink, first).ok());
    second = prepare(*sink, first, {2});
    ASSERT_TRUE(commit(*sink, second).ok());
  }
  auto sink = make_sink();
  Result<> opened = open(*sink, first);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, Code::state_mismatch);
  EXPECT_EQ(opened.error().retry, Retry::never);
  EXPECT_FALSE(open(*sink, {}).ok());  // The same lineage from the beginning.
  first.generation = 2;                // A declared rewind goes on.
  EXPECT_TRUE(open(*sink, first).ok());
  EXPECT_EQ(visible(), (Keys{1, 2}));
}

TEST_F(LakeTest, a_new_state_directory_appends_as_a_new_lineage) {
  auto sink = make_sink();
  ASSERT_TRUE(open(*sink, {}).ok());
  ASSERT_TRUE(commit(*sink, prepare(*sink, {}, {1})).ok());
  lineage = "other";
  auto second = make_sink();
  ASSERT_TRUE(open(*second, {}).ok());
  ASSERT_TRUE(commit(*second, prepare(*second, {}, {2})).ok());
  EXPECT_EQ(visible(), (Keys{1, 2}));
}

TEST_F(LakeTest, a_lost_table_is_an_error_and_not_a_silent_gap) {
  Checkpoint first;
  {
    auto sink = make_sink();
    ASSERT_TRUE(open(*sink, {}).ok());
    first = prepare(*sink, {}, {1});
    ASSERT_TRUE(commit(*sink, first).ok());
    first = prepare(*sink, first, {});
  }
  std::filesystem::remove_all(warehouse());
  auto sink = make_sink();
  Result<> opened = open(*sink, first);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, Code::state_mismatch);
}

TEST_F(LakeTest, two_processes_of_one_pipeline_cannot_both_write) {
  auto one = make_sink(), two = make_sink();
  ASSERT_TRUE(open(*one, {}).ok());
  Result<> opened = open(*two, {});
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, Code::state_locked);
  one.reset();
  EXPECT_TRUE(open(*two, {}).ok());
}

TEST_F(LakeTest, a_zombie_with_prepared_files_cannot_land) {
  // The lock is a file on this machine; a zombie elsewhere has the table itself against it.
  auto zombie = make_sink();
  ASSERT_TRUE(open(*zombie, {}).ok());
  Checkpoint first = prepare(*zombie, {}, {1});
  ASSERT_TRUE(commit(*zombie, first).ok());
  Checkpoint late = prepare(*zombie, first, {2});
  std::filesystem::remove_all(warehouse() + "/locks");
  auto successor = make_sink();
  ASSERT_TRUE(open(*successor, late).ok());  // Commits `late`.
  Checkpoint third = prepare(*successor, late, {3});
  ASSERT_TRUE(commit(*successor, third).ok());
  Result<> landed = commit(*zombie, late);
  ASSERT_FALSE(landed.ok());
  EXPECT_EQ(landed.error().code, Code::commit_rejected);
  EXPECT_EQ(visible(), (Keys{1, 2, 3}));
}

TEST_F(LakeTest, epochs_within_the_commit_interval_are_committed_together) {
  IcebergSinkOptions chosen = options();
  chosen.commit_interval_ms = 10'000;
  Checkpoint checkpoint;
  {
    auto sink = make_sink(chosen, schema);
    ASSERT_TRUE(open(*sink, {}).ok());
    for (int64_t key : {1, 2}) {
      checkpoint = prepare(*sink, checkpoint, {key});
      ASSERT_TRUE(commit(*sink, checkpoint).ok());
    }
    EXPECT_EQ(visible(), Keys{});
  }
  auto sink = make_sink(chosen, schema);  // A crash between them: the checkpoint has both.
  ASSERT_TRUE(open(*sink, checkpoint).ok());
  EXPECT_EQ(visible(), (Keys{1, 2}));
  checkpoint = prepare(*sink, checkpoint, {3});
  ASSERT_TRUE(commit(*sink, checkpoint).ok());
  EXPECT_EQ(visible(), (Keys{1, 2}));
  clock.now_ns += 10'000'000'000;
  checkpoint = prepare(*sink, checkpoint, {4});
  ASSERT_TRUE(commit(*sink, checkpoint).ok());
  EXPECT_EQ(visible(), (Keys{1, 2, 3, 4}));
  ASSERT_TRUE(commit(*sink, prepare(*sink, checkpoint, {5})).ok());
  ASSERT_TRUE(sink->finish().ok());
  EXPECT_EQ(visible(), (Keys{1, 2, 3, 4, 5}));
}

TEST_F(LakeTest, a_dead_steward_is_replaced) {
  auto sink = make_sink();
  ASSERT_TRUE(open(*sink, {}).ok());
  std::shared_ptr<Steward> steward = Steward::of(warehouse());
  Checkpoint checkpoint;
  for (int64_t key : {1, 2, 3}) {
    ::kill(steward->pid(), SIGKILL);
    checkpoint = prepare(*sink, checkpoint, {key});
    ASSERT_TRUE(commit(*sink, checkpoint).ok());
  }
  EXPECT_EQ(visible(), (Keys{1, 2, 3}));
  EXPECT_EQ(steward->starts(), 4);
}

TEST_F(LakeTest, a_steward_that_dies_around_the_swap_leaves_the_rows_once) {
  for (const char* point : {"steward_commit_before", "steward_commit_after"}) {
    ::setenv("HEADRACE_STEWARD_CRASH", point, 1);
    lineage = point;
    auto sink = make_sink();
    ASSERT_TRUE(open(*sink, {}).ok());
    Result<> landed = commit(*sink, prepare(*sink, {}, {1}));
    ::unsetenv("HEADRACE_STEWARD_CRASH");
    ASSERT_TRUE(landed.ok()) << landed.error().text();
    EXPECT_EQ(Steward::of(warehouse())->starts(), 2);
    EXPECT_EQ(visible(), Keys{1});
    sink.reset();
    TearDown();
    SetUp();
  }
}

TEST_F(LakeTest, without_an_interpreter_nothing_is_lost) {
  auto sink = make_sink();
  ASSERT_TRUE(open(*sink, {}).ok());
  Checkpoint first = prepare(*sink, {}, {1});
  use_lake_python("/no/such/python", {});
  ::kill(Steward::of(warehouse())->pid(), SIGKILL);
  Result<> landed = commit(*sink, first);
  ASSERT_FALSE(landed.ok());
  EXPECT_EQ(landed.error().code, Code::commit_unknown);
  EXPECT_EQ(landed.error().retry, Retry::later);
  EXPECT_EQ(files_on_disk(), 1u);
  use_lake_python(interpreter(), {(repository() / "python").string()});
  EXPECT_TRUE(commit(*sink, first).ok());
  EXPECT_EQ(visible(), Keys{1});
}

TEST_F(LakeTest, added_columns_evolve_the_table_and_changed_ones_are_refused) {
  auto sink = make_sink();
  ASSERT_TRUE(open(*sink, {}).ok());
  ASSERT_TRUE(commit(*sink, prepare(*sink, {}, {1})).ok());
  lineage = "wider";
  SchemaRef narrow = schema;
  schema = std::make_shared<const Schema>(
      std::vector<Field>{{"k", LogicalType::BIGINT}, {"v", LogicalType::VARCHAR}, {"more", LogicalType::DOUBLE}});
  auto wider = make_sink();
  ASSERT_TRUE(open(*wider, {}).ok());
  ASSERT_TRUE(commit(*wider, prepare(*wider, {}, {2})).ok());
  EXPECT_EQ(visible(), (Keys{1, 2}));
  schema = std::make_shared<const Schema>(std::vector<Field>{{"k", LogicalType::VARCHAR}});
  lineage = "changed";
  Result<> refused = open(*make_sink(), {});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::bad_config);
  EXPECT_NE(refused.error().message.find("column k"), std::string::npos) << refused.error().text();
}

TEST_F(LakeTest, a_batch_with_diffs_is_written_out_and_a_retraction_refused) {
  auto sink = make_sink();
  ASSERT_TRUE(open(*sink, {}).ok());
  Batch twice = rows({1, 2});
  twice.diffs = {1, 3};
  ASSERT_TRUE(sink->write(twice).ok());
  twice.diffs = {1, -1};
  Result<> refused = sink->write(twice);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::changelog_mismatch);
  ASSERT_TRUE(commit(*sink, prepare(*sink, {}, {})).ok());
  EXPECT_EQ(visible(), (Keys{1, 2, 2, 2}));
}

TEST_F(LakeTest, each_partition_gets_a_file) {
  IcebergSinkOptions chosen = options();
  chosen.partitioned_by = {{"v"}};
  auto sink = make_sink(chosen, schema);
  ASSERT_TRUE(open(*sink, {}).ok());
  ASSERT_TRUE(commit(*sink, prepare(*sink, {}, {1, 2, 1})).ok());
  EXPECT_EQ(files_on_disk(), 2u);
  EXPECT_EQ(visible(), (Keys{1, 1, 2}));
}

TEST_F(LakeTest, a_type_that_iceberg_lacks_names_the_cast) {
  SinkContext context;
  context.schema = std::make_shared<const Schema>(std::vector<Field>{{"h", LogicalType::HUGEINT}});
  auto sink = IcebergSink::make(options(), context);
  ASSERT_FALSE(sink.ok());
  EXPECT_EQ(sink.error().code, Code::bad_config);
  EXPECT_NE(sink.error().remedy.find("CAST(h AS DECIMAL(38, 0))"), std::string::npos);
}

}  // namespace
}  // namespace headrace
