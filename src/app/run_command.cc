// `headrace run` and `headrace demo`: a pipeline with its doors, until it ends or is stopped.
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "app/change_desk.h"
#include "app/command.h"
#include "base/file.h"
#include "base/log_line.h"
#include "base/process.h"
#include "lake/lake.h"
#include "plan/plan_json.h"
#include "serve/server.h"
#include "serve/settings.h"
#include "serve/webhooks.h"
#include "udf/onnx.h"

namespace headrace {
namespace {

/// Waits for Ctrl-C, SIGTERM or a time limit beside the pipeline, and stops it then.
class StopWatch {
 public:
  StopWatch(Pipeline& pipeline, double for_seconds)
      : pipeline_(pipeline), for_seconds_(for_seconds), thread_([this] { watch(); }) {}
  ~StopWatch() {
    leaving_ = true;
    // Wakes the thread from its wait; the signal is blocked everywhere, so nothing else happens.
    pthread_kill(thread_.native_handle(), SIGUSR1);
    thread_.join();
  }

  /// The signals that this waits for are blocked in every thread that starts later.
  static void block_signals() {
    sigset_t signals = watched();
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
  }
  bool interrupted() const { return interrupted_; }
  /// Stops the pipeline as a signal would, but not for the user.
  void stop_for_change() {
    for_change_ = true;
    pthread_kill(thread_.native_handle(), SIGUSR1);
  }

 private:
  static sigset_t watched() {
    sigset_t signals;
    sigemptyset(&signals);
    for (int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) sigaddset(&signals, number);
    return signals;
  }

  void watch() {
    sigset_t signals = watched();
    int got = 0;
    if (for_seconds_ > 0) {
      timespec limit{static_cast<time_t>(for_seconds_),
                     static_cast<long>((for_seconds_ - static_cast<double>(static_cast<time_t>(for_seconds_))) * 1e9)};
      got = sigtimedwait(&signals, nullptr, &limit);
    } else {
      sigwait(&signals, &got);
    }
    if (leaving_) return;
    interrupted_ = got > 0 && !for_change_;
    if (Result<> stopped = pipeline_.stop(); !stopped) log_error("stop_failed", stopped.error());
  }

  Pipeline& pipeline_;
  const double for_seconds_;
  std::atomic<bool> leaving_{false}, interrupted_{false}, for_change_{false};
  std::thread thread_;
};

/// How far a run on a terminal has come, on one line that is written over.
class Progress {
 public:
  explicit Progress(const Pipeline& pipeline) : pipeline_(pipeline), thread_([this] { show(); }) {}
  ~Progress() {
    {
      std::lock_guard lock(mutex_);
      leaving_ = true;
    }
    change_.notify_all();
    thread_.join();
  }

 private:
  void show() {
    const bool terminal = ::isatty(STDERR_FILENO);
    std::unique_lock lock(mutex_);
    while (!change_.wait_for(lock, std::chrono::milliseconds(500), [&] { return leaving_; })) {
      if (!terminal) continue;
      PipelineStatus status = pipeline_.status();
      int64_t read = 0;
      for (const SourceStatus& source : status.sources) read += source.records_read;
      std::fprintf(stderr, "\r%lld records read, tick %llu, durable %llu   ", static_cast<long long>(read),
                   static_cast<unsigned long long>(status.tick.value),
                   static_cast<unsigned long long>(status.durable_tick.value));
    }
    if (terminal) std::fprintf(stderr, "\n");
  }

  const Pipeline& pipeline_;
  std::mutex mutex_;
  std::condition_variable change_;
  bool leaving_ = false;
  std::thread thread_;
};

/// Which code a plan's functions are, and where they run.
std::string functions_text(const std::vector<FunctionDescription>& functions) {
  std::string out = functions.empty() ? "" : "\nfunctions\n";
  for (const FunctionDescription& function : functions)
    out += "  " + function.name + "  " + function.file + ":" + std::to_string(function.line) + "  code " +
           function.hash.substr(0, 12) + (function.environment.empty() ? "" : "  environment " + function.environment) +
           (function.model ? "  in the engine, onnxruntime " + function.model->version : "") + "\n";
  return out;
}

Result<ServerOptions> server_options(const ProjectOptions& options, const Project& project) {
  ServerOptions out;
  HEADRACE_TRY(take_settings(project, out));
  if (options.listen != ProjectOptions().listen) out.listen = options.listen;
  out.state_directory = options.state_directory();
  const std::string web = share_directory() + "/web/dist";
  if (std::filesystem::exists(web)) out.web_root = web;
  const std::string state = options.state_directory();
  out.lake_files = [state](const std::string& table) { return lake_data_files(state, table); };
  return out;
}

/// A run, over all versions of its project that take turns.
class Run {
 public:
  explicit Run(const ProjectOptions& options) : options_(options), desk_(options) {}

  int from(CheckedProject project) {
    Project described = project.project;
    auto engine = std::make_unique<Engine>(options_.pipeline(described), std::move(project));
    if (Result<> started = engine->start(); !started) return report_failure(started.error());
    if (Result<> listening = listen(*engine, described); !listening) return report_failure(listening.error());
    while (true) {
      const Result<> ended = serve(*engine);
      std::optional<WantedChange> wanted = desk_.take();
      if (!wanted || !ended || interrupted_) return end(*engine, ended);
      if (Result<> changed = change_over(engine, std::move(*wanted)); !changed) return report_failure(changed.error());
    }
  }

 private:
  Result<> listen(Engine& engine, const Project& described) {
    // A run to the end needs no door; one that was asked for is opened all the same.
    if (!options_.serve || (options_.until_end && options_.listen == ProjectOptions().listen)) return {};
    HEADRACE_ASSIGN(ServerOptions doors, server_options(options_, described));
    doors.change_over = desk_.door();
    HEADRACE_ASSIGN(server_, Server::start(engine, std::move(doors)));
    std::fprintf(stderr, "Console and API: http://%s\n", server_->address().c_str());
    return write_file_atomically(address_file(options_.state_directory()), server_->address() + "\n");
  }

  /// Until the pipeline has ended, was stopped, or is to change.
  Result<> serve(Engine& engine) {
    Webhooks webhooks(engine);
    engine.on_deliverable([&webhooks] { webhooks.look(); });
    Result<> ended;
    {
      StopWatch watch(engine, options_.for_seconds);
      Progress progress(engine);
      desk_.on_wish([&watch] { watch.stop_for_change(); });
      ended = engine.wait();
      desk_.on_wish([] {});
      interrupted_ = watch.interrupted();
    }
    engine.on_deliverable(nullptr);
    webhooks.finish();
    return ended;
  }

  /// The old version goes on when the new one cannot take over.
  Result<> change_over(std::unique_ptr<Engine>& engine, WantedChange wanted) {
    if (server_) server_->hold();
    if (Result<> stopped = engine->stop(); !stopped) return stopped;
    PipelineOptions before = engine->options();
    CheckedProject old = engine->release_project();
    engine.reset();
    const Result<Change> change = apply_change(wanted.how, wanted.project);
    CheckedProject& next = change ? wanted.project : old;
    const Project described = next.project;
    engine = std::make_unique<Engine>(change ? wanted.how.pipeline : before, std::move(next));
    if (Result<> started = engine->start(); !started) return started;
    desk_.done(change);
    if (!change) log_error("apply_failed", change.error());
    if (!server_) return {};
    HEADRACE_ASSIGN(ServerOptions doors, server_options(options_, described));
    return server_->resume(*engine, std::move(doors.dashboards));
  }

  int end(Engine& engine, const Result<>& ended) {
    if (server_) {
      server_->stop();
      if (Result<> removed = remove_file(address_file(options_.state_directory())); !removed)
        log_error("address_file_stays", removed.error());
    }
    Result<> stopped = engine.stop();
    std::fputs(engine.summary().c_str(), stdout);
    std::fflush(stdout);
    if (!ended) return report_failure(ended.error());
    if (!stopped) return report_failure(stopped.error());
    return interrupted_ ? exit_stopped : exit_ok;
  }

  const ProjectOptions options_;
  ChangeDesk desk_;
  std::unique_ptr<Server> server_;
  bool interrupted_ = false;
};

}  // namespace

int run_command(ProjectOptions options) {
  set_log(LogLevel::info, !options.json_log && ::isatty(STDERR_FILENO));
  StopWatch::block_signals();
  CheckedProject project = check_project(options.pipeline());
  if (!project.errors.empty()) return report(project.errors);
  const Project described = project.project;
  options.take_state(described);
  return Run(options).from(std::move(project));
}

int demo_command(ProjectOptions options) {
  const char* home = std::getenv("HOME");
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const std::string folder =
      cache ? std::string(cache) + "/headrace" : std::string(home ? home : "/tmp") + "/.cache/headrace";
  const char* given = std::getenv("DEMO_DATA");
  const std::string data = given ? given : folder + "/demo";
  if (!given) {
    Result<Process> prepare =
        Process::start({.arguments = {python_interpreter(), "-m", "headrace.demo.prepare", "--out", data}});
    if (!prepare) return report_failure(prepare.error());
    while (true)
      if (std::optional<ExitStatus> status = prepare->wait(60'000)) {
        if (status->code != 0 || status->signal != 0) return exit_failed;
        break;
      }
    ::setenv("DEMO_DATA", data.c_str(), 1);
  }
  options.directory = share_directory() + "/examples/demo";
  // An hour of 2013 each second, so that there is something to see; at the pace of its own time nothing would move for
  // minutes.
  if (!options.until_end && options.speed == 0) options.speed = 3600;
  if (options.state.empty()) options.state = folder + "/demo-state";
  return run_command(options);
}

int explain_command(const ProjectOptions& options, bool json) {
  CheckedProject project = check_project(options.pipeline());
  if (!project.errors.empty()) return report(project.errors);
  std::printf("%s\n", json ? plan_json(project.planned.plan).c_str() : explain_text(project.optimized).c_str());
  if (!json && project.functions) std::fputs(functions_text(project.functions->functions()).c_str(), stdout);
  return exit_ok;
}

}  // namespace headrace
