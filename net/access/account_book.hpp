#pragma once

#include "net/access/accounts.hpp"
#include "net/file_stamp.hpp"

#include <atomic>
#include <memory>
#include <string>

namespace troupe::access {

/// The accounts of a file, as it is now: it is read again when it has changed. One that is not
/// understood leaves those of before in force, with a line that says why. Any thread may ask; one
/// at a time looks.
class account_book {
public:
  /// Fails when the file cannot be read or understood: nobody is let in by mistake.
  static storage::result<std::shared_ptr<account_book>> open(const std::string& file);

  std::shared_ptr<const accounts> now() const { return now_.load(); }

  /// Reads the file again if it is another one than before.
  void look();

private:
  explicit account_book(std::string file) : file_(std::move(file)) {}
  storage::result<void> read();

  std::string file_;
  net::file_stamp stamp_;
  std::atomic<std::shared_ptr<const accounts>> now_;
};

} // namespace troupe::access
