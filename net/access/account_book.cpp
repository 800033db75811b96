#include "net/access/account_book.hpp"

#include "storage/logging.hpp"

#include <cerrno>
#include <fstream>

namespace troupe::access {

namespace {

constexpr std::size_t largest_file = std::size_t{4} << 20;

storage::result<std::string> read_text(const std::string& file) {
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  std::string text(largest_file + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad() || (in.fail() && !in.eof()))
    return storage::system_error(errno, "cannot read the accounts in " + file);
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > largest_file)
    return storage::error{storage::errc::too_large,
                          file + " is over 4MiB; this is no file of accounts"};
  return text;
}

} // namespace

storage::result<std::shared_ptr<account_book>> account_book::open(const std::string& file) {
  std::shared_ptr<account_book> made(new account_book(file));
  TROUPE_TRY(made->read());
  return made;
}

storage::result<void> account_book::read() {
  stamp_ = net::file_stamp::of(file_); // before: what is written meanwhile is seen at the next look
  TROUPE_TRY(auto text, read_text(file_));
  TROUPE_TRY(auto all, accounts::parse(text, file_));
  storage::log_info("gateway.accounts", {{"file", file_}, {"accounts", all->size()}});
  now_.store(std::move(all));
  return boost::outcome_v2::success();
}

void account_book::look() {
  if (net::file_stamp::of(file_) == stamp_)
    return;
  if (auto done = read(); !done)
    storage::log_error("gateway.accounts_kept",
                       {{"reason", done.error().message},
                        {"hint", "those of before are in force until the file is mended"}});
}

} // namespace troupe::access
