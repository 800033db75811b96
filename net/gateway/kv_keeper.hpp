#pragma once

#include "net/remoting/kv_config.hpp"
#include "storage/tables/config_file.hpp"

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace troupe::net {

/// Keeps what operators keep with the name service in `config/kvConfig.json`. Writes it on a thread
/// of its own, which begins with the first change; what changes meanwhile is written once.
class kv_keeper {
public:
  kv_keeper(storage::file_system& files, const storage::options& store)
      : file_(files, store, "kvConfig.json") {}
  ~kv_keeper();
  kv_keeper(const kv_keeper&) = delete;
  kv_keeper& operator=(const kv_keeper&) = delete;

  /// Reads the file, if there is one. One that cannot be read stays as it is, and nothing is
  /// written then.
  void load();
  /// As it was kept last.
  remoting::kv_config kept() const;
  /// From any thread; does not block. The text is `kv_config::write`'s.
  void keep(std::string text);
  /// Writes what is not written yet; nothing is kept any more. Before the store's directory is
  /// somebody else's.
  void stop();

private:
  void run();
  void save(const std::string& text);

  storage::config_file file_; ///< of the thread, once there is one
  bool readable_ = true;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::string latest_;
  bool dirty_ = false;
  bool stopped_ = false;
  std::thread thread_;
};

} // namespace troupe::net
