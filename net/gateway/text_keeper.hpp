#pragma once

#include "storage/tables/config_file.hpp"

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace troupe::net {

/// Keeps a text in a file below `config/`: what operators keep with the name service, and how
/// groups consume. Writes it on a thread of its own, which begins with the first change; what
/// changes meanwhile is written once.
class text_keeper {
public:
  /// `check`: what is wrong with the text of the file; empty if nothing is.
  using checker = std::function<std::string(std::string_view)>;
  text_keeper(storage::file_system& files, const storage::options& store, const std::string& name,
              checker check)
      : file_(files, store, name), check_(std::move(check)) {}
  ~text_keeper();
  text_keeper(const text_keeper&) = delete;
  text_keeper& operator=(const text_keeper&) = delete;

  /// Reads the file, if there is one. One that cannot be read stays as it is, and nothing is
  /// written then.
  void load();
  /// As it was kept last; empty if it never was. From any thread.
  std::string kept() const;
  /// From any thread; does not block. The text is JSON, an object.
  void keep(std::string text);
  /// Writes what is not written yet; nothing is kept any more. Before the store's directory is
  /// somebody else's.
  void stop();

private:
  void run();
  void save(const std::string& text);

  storage::config_file file_; ///< of the thread, once there is one
  checker check_;
  bool readable_ = true;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::string latest_;
  bool dirty_ = false;
  bool stopped_ = false;
  std::thread thread_;
};

/// One for what `Table` reads and writes, loaded.
template <class Table>
std::shared_ptr<text_keeper> keeper_of(storage::file_system& files, const storage::options& store,
                                       const std::string& name) {
  auto check = [](std::string_view text) {
    auto read = Table::read(text);
    return read ? std::string() : read.error().message;
  };
  auto made = std::make_shared<text_keeper>(files, store, name, check);
  made->load();
  return made;
}

/// As it was kept last.
template <class Table>
Table table_in(const text_keeper& keeper) {
  auto text = keeper.kept();
  if (text.empty())
    return {};
  auto read = Table::read(text);
  return read ? std::move(read.value()) : Table{};
}

} // namespace troupe::net
