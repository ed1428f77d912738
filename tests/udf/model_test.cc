// ONNX models: what the engine scores is what a worker scores, to the last bit, wherever rows are cut.
#include "udf/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <thread>

#include "udf/function_project.h"

namespace headrace {
namespace {

using ::testing::HasSubstr;

/// Writes models beside functions/, of layers with weights that stay the same from run to run.
constexpr const char* model_maker = R"(
import pathlib
import headrace as hr
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent.parent
RANDOM = np.random.default_rng(7)
KINDS = {"float": TensorProto.FLOAT, "double": TensorProto.DOUBLE, "int64": TensorProto.INT64}

def save(name, nodes, inputs, output, constants):
    """`inputs` = {name: (number, shape)}, `output` = (name, number, shape)."""
    if (HERE / f"{name}.onnx").exists():
        return
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node(*node[:3], **node[3]) for node in nodes], name,
        [info(each, KINDS[number], shape) for each, (number, shape) in inputs.items()],
        [info(output[0], KINDS[output[1]], output[2])],
        [numpy_helper.from_array(value, key) for key, value in constants.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), HERE / f"{name}.onnx")

def network(name, number, scale=1.0):
    """Three features, a hidden layer of seventeen, two probabilities."""
    kind = np.float32 if number == "float" else np.float64
    weights = {"w": RANDOM.normal(size=(3, 17)) * scale, "v": RANDOM.normal(size=(17, 2))}
    save(name, [("MatMul", ["x", "w"], ["h"], {}), ("Tanh", ["h"], ["t"], {}), ("MatMul", ["t", "v"], ["u"], {}),
                ("Softmax", ["u"], ["p"], {"axis": 1})],
         {"x": (number, [None, 3])}, ("p", number, [None, 2]), {key: value.astype(kind) for key, value in weights.items()})
)";

class ModelTest : public FunctionProjectTest {
 protected:
  ModelTest() : FunctionProjectTest(model_maker) {}

  std::string error_of(const std::string& code) {
    auto started = try_start(code);
    return started.ok() ? "" : started.error().text();
  }

  /// Calls with rows [first, first + rows) of `arguments`; gives the bits of the scores.
  Result<std::vector<uint64_t>> call(const std::string& name, DataChunk& arguments, size_t first, size_t rows) {
    DataChunk part;
    part.InitializeEmpty(arguments.GetTypes());
    for (size_t i = 0; i < arguments.ColumnCount(); ++i) part.data[i].Slice(arguments.data[i], first, first + rows);
    part.SetCardinality(rows);
    Vector result(LogicalType::DOUBLE, std::max<size_t>(rows, 1));
    HEADRACE_TRY(host_->call(index_of(name), part, result));
    std::vector<uint64_t> out;
    for (size_t row = 0; row < rows; ++row)
      out.push_back(std::bit_cast<uint64_t>(duckdb::FlatVector::GetData<double>(result)[row]));
    return out;
  }
};

/// Numbers of every kind, NULL among them.
void fill(DataChunk& chunk, size_t columns, size_t rows) {
  std::mt19937_64 random(11);
  std::normal_distribution<double> normal(0, 3);
  const double special[] = {0.0,
                            -0.0,
                            1e300,
                            -1e300,
                            5e-324,
                            std::numeric_limits<double>::infinity(),
                            -std::numeric_limits<double>::infinity(),
                            std::numeric_limits<double>::quiet_NaN()};
  chunk.Initialize(duckdb::Allocator::DefaultAllocator(), duckdb::vector<LogicalType>(columns, LogicalType::DOUBLE),
                   rows);
  for (Vector& column : chunk.data)
    for (size_t row = 0; row < rows; ++row) {
      const bool odd = random() % 50 == 0;
      duckdb::FlatVector::GetData<double>(column)[row] = odd ? special[random() % std::size(special)] : normal(random);
      if (random() % 40 == 0) duckdb::FlatVector::SetNull(column, row, true);
    }
  chunk.SetCardinality(rows);
}

constexpr const char* both_places = R"(
network("wide", "float")
network("double", "double")
save("columns", [("Cast", ["n"], ["m"], {"to": KINDS["float"]}), ("Add", ["a", "m"], ["s"], {}),
                 ("Flatten", ["b"], ["c"], {}), ("Add", ["s", "c"], ["score"], {})],
     {"a": ("float", [None, 1]), "n": ("int64", [None, 1]), "b": ("float", [None])}, ("score", "float", [None, 1]), {})
save("count", [("Cast", ["x"], ["y"], {"to": KINDS["int64"]}), ("ReduceSum", ["y", "axes"], ["score"], {"keepdims": 0})],
     {"x": ("double", [None, 3])}, ("score", "int64", [None]), {"axes": np.array([1])})
for name in ("wide", "double", "columns", "count"):
    vars()[name] = hr.model(f"{name}.onnx", name=name)
    vars()[name + "_apart"] = hr.model(f"{name}.onnx", name=name + "_apart", isolation="process")
)";

TEST_F(ModelTest, the_engine_scores_as_a_worker_does_to_the_last_bit) {
  start(both_places);
  DataChunk rows;
  fill(rows, 3, 2048);
  for (const std::string name : {"wide", "double", "columns", "count"}) {
    ASSERT_NE(host_->functions()[index_of(name)].model, nullptr);
    ASSERT_EQ(host_->functions()[index_of(name + "_apart")].model, nullptr);
    auto here = call(name, rows, 0, 2048), apart = call(name + "_apart", rows, 0, 2048);
    ASSERT_TRUE(here.ok()) << here.error().text();
    ASSERT_TRUE(apart.ok()) << apart.error().text();
    EXPECT_EQ(*here, *apart) << name;
  }
  EXPECT_THAT(host_->status_json(), HasSubstr(R"("name":"wide","in_engine":true,"workers":0,"calls":1,"rows":2048)"));
  EXPECT_THAT(host_->status_json(), HasSubstr(R"("name":"wide_apart","in_engine":false)"));
}

TEST_F(ModelTest, no_score_depends_on_how_rows_are_cut) {
  start(both_places);
  DataChunk rows;
  fill(rows, 3, 500);
  for (const std::string name : {"wide", "double", "wide_apart", "double_apart"}) {
    auto whole = call(name, rows, 0, 500);
    ASSERT_TRUE(whole.ok()) << whole.error().text();
    for (size_t cut : {1, 2, 3, 7, 16, 17, 100})
      for (size_t first = 0; first < 500; first += cut) {
        const size_t count = std::min(cut, 500 - first);
        auto part = call(name, rows, first, count);
        ASSERT_TRUE(part.ok()) << part.error().text();
        ASSERT_EQ(*part, std::vector(whole->begin() + first, whole->begin() + first + count)) << name << " by " << cut;
      }
  }
}

TEST_F(ModelTest, takes_vectors_of_every_kind_and_none) {
  start(both_places);
  DataChunk rows;
  fill(rows, 3, 64);
  auto plain = call("wide", rows, 0, 64);
  ASSERT_TRUE(plain.ok());
  duckdb::SelectionVector selection(64);
  for (size_t row = 0; row < 64; ++row) selection.set_index(row, 63 - row);
  for (Vector& column : rows.data) column.Slice(selection, 64);
  auto backwards = call("wide", rows, 0, 64);
  ASSERT_TRUE(backwards.ok());
  EXPECT_EQ(*backwards, std::vector(plain->rbegin(), plain->rend()));
  for (Vector& column : rows.data) column.Reference(duckdb::Value::DOUBLE(0));
  auto constant = call("wide", rows, 0, 64);
  ASSERT_TRUE(constant.ok());
  EXPECT_EQ(*constant, std::vector(64, constant->front()));
  auto none = call("wide", rows, 0, 0);
  ASSERT_TRUE(none.ok()) << none.error().text();
}

TEST_F(ModelTest, shards_share_a_session) {
  start(both_places);
  DataChunk rows;
  fill(rows, 3, 1000);
  auto whole = call("wide", rows, 0, 1000);
  ASSERT_TRUE(whole.ok());
  std::vector<std::thread> threads;
  std::atomic<int> right = 0;
  for (size_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      DataChunk own;
      fill(own, 3, 1000);
      for (size_t i = 0; i < 50; ++i) {
        const size_t first = (t * 50 + i) * 4 % 900;
        auto part = call("wide", own, first, 100);
        right += part.ok() && *part == std::vector(whole->begin() + first, whole->begin() + first + 100);
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 200);
}

constexpr const char* looks_up = R"(
save("table", [("Cast", ["n"], ["i"], {"to": KINDS["int64"]}), ("Gather", ["t", "i"], ["score"], {})],
     {"n": ("double", [None])}, ("score", "float", [None]), {"t": np.array([10, 20, 30], np.float32)})
)";

TEST_F(ModelTest, rows_that_a_model_cannot_score_cost_themselves_only) {
  start(std::string(looks_up) + R"(
refused = hr.model("table.onnx", name="refused")
nulled = hr.model("table.onnx", name="nulled", on_error="null")
stopped = hr.model("table.onnx", name="stopped", on_error="fail")
)");
  DataChunk rows;
  rows.Initialize(duckdb::Allocator::DefaultAllocator(), {LogicalType::DOUBLE});
  for (size_t row = 0; row < 5; ++row) rows.data[0].SetValue(row, duckdb::Value::DOUBLE(row == 2 ? 99 : row % 3));
  rows.SetCardinality(5);
  auto refused = call("refused", rows, 0, 5);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::function_raised);
  EXPECT_THAT(refused.error().message, HasSubstr("table.onnx: onnxruntime: "));
  EXPECT_THAT(refused.error().detail, HasSubstr(R"("arguments":{"n":99})"));
  Vector result(LogicalType::DOUBLE);
  ASSERT_TRUE(host_->call(index_of("nulled"), rows, result).ok());
  std::vector<std::string> shown;
  for (size_t row = 0; row < 5; ++row) shown.push_back(result.GetValue(row).ToString());
  EXPECT_EQ(shown, (std::vector<std::string>{"10.0", "20.0", "NULL", "10.0", "20.0"}));
  EXPECT_EQ(call("stopped", rows, 0, 5).error().code, Code::function_stopped_run);
}

TEST_F(ModelTest, files_that_cannot_be_are_refused_with_their_name) {
  std::ofstream(project_ / "broken.onnx") << "no model";
  EXPECT_THAT(error_of("m = hr.model('broken.onnx')\n"),
              HasSubstr("error 4005 (function_load): broken.onnx cannot be opened"));
  EXPECT_THAT(error_of("network('n', 'float')\nm = hr.model('n.onnx', features=('a', 'b'))\n"),
              HasSubstr("n.onnx takes 3 features, and here are 2: a, b"));
  EXPECT_THAT(error_of("network('n', 'float')\nsave('one', [('Neg', ['x'], ['y'], {})], {'x': ('float', [None, 1])}, "
                       "('y', 'float', [None, 1]), {})\nm = hr.model('n.onnx', shadow='one.onnx')\n"),
              HasSubstr("one.onnx takes 1 features, and here are 3: f0, f1, f2"));
  EXPECT_THAT(error_of("save('fixed', [('Neg', ['x'], ['y'], {})], {'x': ('float', [1, 3])}, ('y', 'float', [1, 3]), "
                       "{})\nm = hr.model('fixed.onnx')\n"),
              HasSubstr("fixed.onnx: the input x takes 1 rows, and SQL gives any number"));
  EXPECT_THAT(error_of("save('deep', [('Neg', ['x'], ['y'], {})], {'x': ('float', [None, 2, 2])}, "
                       "('y', 'float', [None, 2, 2]), {})\nm = hr.model('deep.onnx')\n"),
              HasSubstr("deep.onnx: the input x is tensor(float)"));
  EXPECT_THAT(error_of("save('sum', [('ReduceSum', ['x'], ['y'], {'keepdims': 0})], {'x': ('float', [None, 3])}, "
                       "('y', 'float', []), {})\nm = hr.model('sum.onnx')\n"),
              HasSubstr("sum.onnx cannot score rows of zeros: its output has the shape () for 16 rows"));
}

TEST_F(ModelTest, another_file_is_taken_up_between_two_ticks) {
  const std::string code = "network('n', 'float')\nm = hr.model('n.onnx', name='m')\n";
  start(code);
  DataChunk rows;
  fill(rows, 3, 64);
  auto before = call("m", rows, 0, 64);
  ASSERT_TRUE(before.ok());
  std::filesystem::remove(project_ / "n.onnx");
  std::ofstream(project_ / "functions/f.py")
      << model_maker << "network('n', 'float', scale=2.0)\nm = hr.model('n.onnx', name='m')\n";
  auto described = host_->describe_again();
  ASSERT_TRUE(described.ok()) << described.error().text();
  EXPECT_EQ(*call("m", rows, 0, 64), *before);  // Until it is taken up.
  auto taken = host_->take_up(*described);
  ASSERT_TRUE(taken.ok()) << taken.error().text();
  EXPECT_EQ(*taken, std::vector<std::string>{"m"});
  auto after = call("m", rows, 0, 64);
  ASSERT_TRUE(after.ok());
  EXPECT_NE(*after, *before);
}

TEST_F(ModelTest, a_file_that_changed_since_its_trial_is_refused) {
  start("network('n', 'float')\nnetwork('other', 'float', scale=2.0)\nm = hr.model('n.onnx', name='m')\n");
  ModelSpec spec = *host_->functions()[0].model;
  ASSERT_TRUE(Model::open(spec).ok());
  spec.files[0].path = (project_ / "other.onnx").string();
  auto opened = Model::open(spec);
  ASSERT_FALSE(opened.ok());
  EXPECT_THAT(opened.error().message, HasSubstr("other.onnx: it has changed since it was tried"));
  spec.files[0] = host_->functions()[0].model->files[0];
  spec.files[0].zero_score = 17;
  EXPECT_THAT(Model::open(spec).error().message, HasSubstr("in the engine, and 17 in Python"));
  spec.library = "/no/such/library.so";
  EXPECT_EQ(Model::open(spec).error().code, Code::function_load);
}

TEST_F(ModelTest, a_shadow_scores_beside_it) {
  start(R"(
network("n", "float")
network("other", "float", scale=3.0)
m = hr.model("n.onnx", name="m", shadow="other.onnx")
alone = hr.model("n.onnx", name="alone")
)");
  DataChunk rows;
  fill(rows, 3, 2048);
  auto with = call("m", rows, 0, 2048), without = call("alone", rows, 0, 2048);
  ASSERT_TRUE(with.ok() && without.ok());
  EXPECT_EQ(*with, *without);
  EXPECT_THAT(host_->status_json(), HasSubstr(R"("gauges":{"psi":)"));
  EXPECT_THAT(host_->status_json(), Not(HasSubstr(R"("psi":0,)")));
}

TEST(DriftTest, is_what_python_measures) {
  // headrace.scoring.Drift over the same numbers, noted 300 at a time.
  Drift drift;
  std::vector<double> live, beside;
  for (int i = 0; i < 3000; ++i) {
    live.push_back(i * 37 % 1000 / 1000.0);
    beside.push_back(i % 97 == 0 ? std::numeric_limits<double>::quiet_NaN() : std::pow(live.back(), 1.5));
  }
  for (size_t first = 0; first < live.size(); first += 300) drift.note(&live[first], &beside[first], 300);
  EXPECT_NEAR(drift.psi(), 0.13733865828648456, 1e-12);
  EXPECT_NEAR(drift.mean_difference(), -0.10001742018944085, 1e-12);
}

}  // namespace
}  // namespace headrace
