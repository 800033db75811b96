#include "net/remoting/fields.hpp"

namespace troupe::remoting {

storage::result<void> field_reader::outcome() const {
  if (problem_.empty())
    return boost::outcome_v2::success();
  return storage::error{storage::errc::invalid_argument, problem_};
}

} // namespace troupe::remoting
