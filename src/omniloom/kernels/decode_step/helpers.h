// Threads that stand by for calls of a few hundred microseconds: started once, they sleep until there is something to do.
// A pool of torch's or OpenMP's was rejected: a server sets those to one thread for everything else that it computes.
#pragma once
#include <unistd.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace {

class Helper {
 public:
  Helper() : thread_([this] { follow(); }) { thread_.detach(); }

  void begin(const std::function<void()>& task) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      task_ = &task;
    }
    changed_.notify_one();
  }

  void finish() {
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [this] { return !task_; });
  }

 private:
  void follow() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return task_ != nullptr; });
      const std::function<void()>* task = task_;
      lock.unlock();
      (*task)();
      lock.lock();
      task_ = nullptr;
      done_.notify_one();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_, done_;
  const std::function<void()>* task_ = nullptr;
  std::thread thread_;
};

// Helpers that nobody uses. They are never destroyed, as they may sleep while the process ends; a process that was forked
// has none of its parent's threads and starts its own.
class Helpers {
 public:
  static Helpers& shared() {
    static Helpers* const helpers = new Helpers;
    return *helpers;
  }

  Helper* take() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (owner_ != getpid()) {
      owner_ = getpid();
      free_.clear();
    }
    if (free_.empty()) return new Helper;
    Helper* const helper = free_.back();
    free_.pop_back();
    return helper;
  }

  void give(Helper* helper) {
    const std::lock_guard<std::mutex> lock(mutex_);
    free_.push_back(helper);
  }

 private:
  std::mutex mutex_;
  std::vector<Helper*> free_;
  pid_t owner_ = 0;
};

// task(0) to task(count - 1), each on a thread of its own; the last one on the caller's.
template <class Task>
void run_together(int32_t count, const Task& task) {
  std::vector<std::pair<Helper*, std::unique_ptr<std::function<void()>>>> running;
  for (int32_t i = 0; i + 1 < count; ++i) {
    auto own = std::make_unique<std::function<void()>>([&task, i] { task(i); });
    Helper* const helper = Helpers::shared().take();
    helper->begin(*own);
    running.emplace_back(helper, std::move(own));
  }
  if (count > 0) task(count - 1);
  for (auto& [helper, own] : running) {
    helper->finish();
    Helpers::shared().give(helper);
  }
}

}  // namespace
