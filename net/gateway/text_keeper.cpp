#include "net/gateway/text_keeper.hpp"

#include "storage/logging.hpp"

#include <boost/json/serialize.hpp>

#include <system_error>
#include <utility>

namespace troupe::net {

text_keeper::~text_keeper() {
  stop();
}

void text_keeper::stop() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable())
    thread_.join();
}

void text_keeper::load() {
  std::vector<std::string> warnings;
  auto unreadable = [this](const std::string& reason) {
    readable_ = false;
    storage::log_warning("keeper.unreadable",
                         {{"file", file_.path()},
                          {"reason", reason},
                          {"hint", "mend or remove it and start the node again; until then it "
                                   "counts as empty, and changes are not kept"}});
  };
  auto content = file_.load(warnings);
  if (content.has_error())
    return unreadable(content.error().message);
  for (auto& warning : warnings)
    storage::log_warning("keeper.file", {{"reason", warning}});
  if (content.value().empty())
    return;
  auto text = boost::json::serialize(content.value());
  if (auto wrong = check_(text); !wrong.empty())
    return unreadable(wrong);
  latest_ = std::move(text);
}

std::string text_keeper::kept() const {
  std::lock_guard lock(mutex_);
  return latest_;
}

void text_keeper::keep(std::string text) {
  std::lock_guard lock(mutex_);
  latest_ = std::move(text);
  if (!readable_ || stopped_)
    return;
  dirty_ = true;
  try {
    if (!thread_.joinable())
      thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& e) { // the next change tries again
    storage::log_warning("keeper.not_saved", {{"file", file_.path()}, {"reason", e.what()}});
  }
  changed_.notify_one();
}

void text_keeper::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return dirty_ || stopped_; });
    if (!dirty_)
      return;
    dirty_ = false;
    auto text = latest_;
    lock.unlock();
    save(text);
    lock.lock();
  }
}

void text_keeper::save(const std::string& text) {
  auto saved = [&]() -> storage::result<void> {
    TROUPE_TRY(auto content, storage::parse_fastjson(text, file_.path()));
    return file_.save(content.get_object(), storage::integer_names::quoted);
  }();
  if (saved.has_error())
    storage::log_warning("keeper.not_saved",
                         {{"file", file_.path()}, {"reason", saved.error().message}});
}

} // namespace troupe::net
