#include "sim/gateway/frame_answers.hpp"

#include "net/remoting/codes.hpp"
#include "net/remoting/fields.hpp"
#include "net/remoting/headers.hpp"
#include "storage/big_endian.hpp"
#include "storage/format/record.hpp"

#include <utility>
#include <vector>

namespace troupe::sim {

namespace {

namespace response_code = remoting::response_code;
using storage::queue_offset;

/// The records of a pull's answer: each begins with its size.
storage::result<std::vector<storage::slice>> records_of(const storage::slice& body) {
  std::vector<storage::slice> records;
  auto bytes = body.bytes();
  while (bytes.size() >= 4) {
    auto size = storage::big_endian::load<std::uint32_t>(bytes.data());
    if (size < 4 || size > bytes.size())
      break;
    records.push_back(storage::slice::copy_of(bytes.first(size)));
    bytes = bytes.subspan(size);
  }
  if (!bytes.empty())
    return storage::error{errc::corrupt, "the body of a pull's answer is not made of records"};
  return records;
}

} // namespace

storage::error read_refusal(const remoting::command& answer) {
  return {errc::unavailable, "code " + std::to_string(answer.code) + ": " + answer.remark};
}

storage::result<pull_response> read_pull(const remoting::command& answer,
                                         const storage::slice& body, queue_offset from) {
  constexpr auto moved = response_code::pull_offset_moved;
  pull_response response;
  if (answer.code != response_code::success && answer.code != moved &&
      answer.code != response_code::pull_not_found &&
      answer.code != response_code::pull_retry_immediately)
    return read_refusal(answer);
  TROUPE_TRY(auto fields, remoting::read_fields<remoting::pull_answer>(answer));
  response.next = fields.next;
  response.min = fields.min;
  response.max = fields.max;
  if (answer.code == moved)
    response.status =
        fields.next > from ? pull_status::offset_too_small : pull_status::offset_too_large;
  else if (answer.code == response_code::pull_not_found)
    response.status = pull_status::nothing_new;
  else
    response.status = pull_status::found;
  if (answer.code == response_code::success) {
    TROUPE_TRY(auto records, records_of(body));
    response.records = std::move(records);
  }
  auto count = static_cast<queue_offset>(response.records.size());
  if (response.status == pull_status::found && response.next > from + count) {
    response.damaged = static_cast<std::uint32_t>(response.next - from - count);
    response.warning = "frames do not say why";
  }
  return response;
}

sent_frame read_sent(const remoting::command& answer) {
  sent_frame sent;
  if (answer.code == response_code::flush_disk_timeout) {
    sent.result.code = errc::maybe_stored;
    sent.reason = answer.remark;
    return sent;
  }
  auto refused = read_refusal(answer);
  if (answer.code == response_code::success) {
    auto fields = remoting::read_fields<remoting::send_answer>(answer);
    auto id = fields ? storage::parse_message_id(fields.value().message_id)
                     : storage::result<storage::parsed_message_id>(fields.error());
    if (id) {
      sent.result.offset = id.value().offset;
      sent.result.queue_position = fields.value().queue_offset;
      return sent;
    }
    refused = {errc::maybe_stored, "an answer that names no message: " + id.error().message};
  }
  sent.result.code = refused.code;
  sent.reason = refused.message;
  return sent;
}

} // namespace troupe::sim
