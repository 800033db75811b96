#include "storage/repair/message_walk.hpp"

#include "storage/log/log_scan.hpp"
#include "storage/log/log_view.hpp"

namespace troupe::storage {

namespace {

finding at_log_offset(const store_files& files, log_offset offset, std::string what) {
  auto in_file = offset % static_cast<log_offset>(files.settings.log_file_size_bytes);
  return {log_file_path(files.settings, offset), in_file, std::move(what)};
}

std::string reason(const char* problem) {
  return *problem != '\0' ? problem : "zeros";
}

} // namespace

result<walked_log> walk_messages(file_system& fs, const store_files& files,
                                 const finding_sink& report,
                                 const std::function<void(const record_view&)>& visit) {
  walked_log out;
  if (files.log.empty())
    return out;
  out.min = out.end = files.log.front().start;
  for (auto& run : files.contiguous_log()) {
    if (run.front().start != out.min)
      out.gaps += 1;   // a missing file
    if (out.torn_tail) // of the run before: no tail after all
      report(*std::exchange(out.torn_tail, std::nullopt));
    log_view view(fs, files.settings, run.front().start);
    log_scan scan(fs, files.settings, run);
    auto at = run.front().start;
    while (at < scan.limit()) {
      TROUPE_TRY(auto walked, view.walk(at, scan.limit(), verify::structure_and_crc,
                                        [&](const record_view& message) {
                                          out.messages += 1;
                                          out.end = message.offset + message.size;
                                          visit(message);
                                          return true;
                                        }));
      if (walked.end >= scan.limit())
        break;
      TROUPE_TRY(auto next, scan.find(walked.end));
      if (!next) {
        if (*walked.problem != '\0')
          out.torn_tail =
              at_log_offset(files, walked.end, std::string("the log ends here: ") + walked.problem);
        break;
      }
      out.gaps += 1;
      report(at_log_offset(files, walked.end,
                           "no valid record from log offset " + std::to_string(walked.end) +
                               " to " + std::to_string(next->offset) + ": " +
                               reason(walked.problem)));
      at = next->offset;
    }
  }
  return out;
}

} // namespace troupe::storage
