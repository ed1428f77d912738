#include "base/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <csignal>
#include <thread>

namespace headrace {
namespace {

std::string read_all(int descriptor) {
  std::string out;
  char buffer[4096];
  for (ssize_t got; (got = ::read(descriptor, buffer, sizeof buffer)) > 0;)
    out.append(buffer, static_cast<size_t>(got));
  return out;
}

struct Pipe {
  Descriptor read, write;
  Pipe() {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    read = Descriptor(ends[0]);
    write = Descriptor(ends[1]);
  }
};

std::string output_of(ProcessSpec spec) {
  Pipe pipe;
  spec.output = pipe.write.number();
  auto process = Process::start(spec);
  EXPECT_TRUE(process.ok());
  pipe.write.close();
  std::string out = read_all(pipe.read.number());
  EXPECT_TRUE(process->wait(10'000).has_value());
  return out;
}

TEST(Process, tells_how_it_ended) {
  auto process = Process::start({.arguments = {"sh", "-c", "exit 7"}});
  ASSERT_TRUE(process.ok());
  EXPECT_EQ(process->wait(10'000)->text(), "exit code 7");
  EXPECT_EQ(process->wait(0)->code, 7);
  process->kill(SIGKILL);  // Nothing left to kill.

  auto killed = Process::start({.arguments = {"sleep", "1000"}});
  EXPECT_FALSE(killed->wait(0).has_value());
  killed->kill(SIGTERM);
  EXPECT_EQ(killed->wait(10'000)->signal, SIGTERM);
}

TEST(Process, a_missing_program_is_an_error) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "TSan makes a fork of the vfork, and what the child says of its failure stays in the child";
#endif
  auto process = Process::start({.arguments = {"/no/such/program"}});
  ASSERT_FALSE(process.ok());
  EXPECT_EQ(process.error().code, Code::io_error);
}

TEST(Process, gets_its_own_descriptors_environment_and_directory_only) {
  Descriptor leaked(::open("/dev/null", O_RDONLY));  // Without O_CLOEXEC, as a library might.
  Pipe given;
  ProcessSpec spec{.arguments = {"sh", "-c", "echo $GREETING; pwd; ls /proc/self/fd | tr '\\n' ' '; echo three >&3"}};
  spec.environment = {"GREETING=hello"};
  spec.directory = "/";
  spec.descriptors = {given.write.number()};
  // 4 is the folder that ls itself reads.
  EXPECT_EQ(output_of(spec), "hello\n/\n0 1 2 3 4 ");
  given.write.close();
  EXPECT_EQ(read_all(given.read.number()), "three\n");
}

TEST(Process, descriptors_may_sit_on_each_others_numbers) {
  Pipe a, b;
  ProcessSpec spec{.arguments = {"sh", "-c", "echo first >&3; echo second >&4"}};
  spec.descriptors = {b.write.number(), a.write.number()};
  output_of(spec);
  a.write.close(), b.write.close();
  EXPECT_EQ(read_all(b.read.number()), "first\n");
  EXPECT_EQ(read_all(a.read.number()), "second\n");
}

TEST(Process, outlives_the_thread_that_started_it_but_not_its_owner) {
  std::optional<Process> process;
  std::thread([&] { process.emplace(std::move(Process::start({.arguments = {"sleep", "1000"}})).value()); }).join();
  EXPECT_FALSE(process->wait(50).has_value());
  pid_t pid = process->pid();
  process.reset();
  EXPECT_EQ(::kill(pid, 0), -1);
}

// Run by the test below in a process of its own: an engine that ends without a chance to clean up.
TEST(Process, DISABLED_engine_that_is_killed) {
  auto child = Process::start({.arguments = {"sleep", "1000"}, .output = STDOUT_FILENO});
  ASSERT_TRUE(child.ok());
  ::kill(::getpid(), SIGKILL);
}

TEST(Process, ends_with_the_engine) {
  // Reading ends only when every holder of the pipe is gone: the engine and its child.
  output_of({.arguments = {"/proc/self/exe", "--gtest_also_run_disabled_tests",
                           "--gtest_filter=Process.DISABLED_engine_that_is_killed"}});
}

TEST(LineChannel, asks_and_answers) {
  auto pair = ChannelPair::make();
  ProcessSpec spec{.arguments = {"sh", "-c", "while read line <&3; do echo \"got $line\" >&3; done"}};
  spec.descriptors = {pair->theirs.number()};
  auto process = Process::start(spec);
  pair->theirs.close();
  LineChannel channel(std::move(pair->ours));
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(channel.write_line(std::to_string(i), 1'000).ok());
    EXPECT_EQ(*channel.read_line(10'000), "got " + std::to_string(i));
  }
  EXPECT_FALSE(channel.read_line(1).ok());
  process->kill(SIGKILL);
  auto closed = channel.read_line(10'000);
  ASSERT_FALSE(closed.ok());
  EXPECT_EQ(closed.error().message, "a helper process closed its connection");
}

}  // namespace
}  // namespace headrace
