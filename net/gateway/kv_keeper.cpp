#include "net/gateway/kv_keeper.hpp"

#include "storage/logging.hpp"

#include <boost/json/serialize.hpp>

#include <system_error>
#include <utility>

namespace troupe::net {

kv_keeper::~kv_keeper() {
  stop();
}

void kv_keeper::stop() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable())
    thread_.join();
}

void kv_keeper::load() {
  std::vector<std::string> warnings;
  auto unreadable = [this](const std::string& reason) {
    readable_ = false;
    storage::log_warning("registry.kv_unreadable",
                         {{"file", file_.path()},
                          {"reason", reason},
                          {"hint", "mend or remove it and start the node again; until then the KV "
                                   "configuration is empty, and changes are not kept"}});
  };
  auto content = file_.load(warnings);
  if (content.has_error())
    return unreadable(content.error().message);
  for (auto& warning : warnings)
    storage::log_warning("registry.kv_file", {{"reason", warning}});
  if (content.value().empty())
    return;
  auto text = boost::json::serialize(content.value());
  if (auto read = remoting::kv_config::read(text); read.has_error())
    return unreadable(read.error().message);
  latest_ = std::move(text);
}

remoting::kv_config kv_keeper::kept() const {
  std::lock_guard lock(mutex_);
  if (latest_.empty())
    return {};
  auto read = remoting::kv_config::read(latest_);
  return read ? std::move(read.value()) : remoting::kv_config{};
}

void kv_keeper::keep(std::string text) {
  std::lock_guard lock(mutex_);
  latest_ = std::move(text);
  if (!readable_ || stopped_)
    return;
  dirty_ = true;
  try {
    if (!thread_.joinable())
      thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& e) { // the next change tries again
    storage::log_warning("registry.kv_not_saved", {{"reason", e.what()}});
  }
  changed_.notify_one();
}

void kv_keeper::run() {
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

void kv_keeper::save(const std::string& text) {
  auto saved = [&]() -> storage::result<void> {
    TROUPE_TRY(auto content, storage::parse_fastjson(text, file_.path()));
    return file_.save(content.get_object(), storage::integer_names::quoted);
  }();
  if (saved.has_error())
    storage::log_warning("registry.kv_not_saved",
                         {{"file", file_.path()}, {"reason", saved.error().message}});
}

} // namespace troupe::net
