package troupe.compare;

import com.alibaba.fastjson.JSON;
import java.util.LinkedHashMap;
import java.util.Map;

/** One run as one JSON object, with the keys of {@code troupe bench --output json}. */
final class Report {
  private final Map<String, Object> fields = new LinkedHashMap<>();

  Report(Workload workload, int messages, Meter meter, Latencies latencies) {
    double seconds = meter.seconds();
    double millions = messages / 1e6;
    fields.put("name", workload.name());
    fields.put("side", "java");
    fields.put("messages", messages);
    fields.put("message_bytes", workload.size());
    fields.put("batch", workload.batch());
    fields.put("queues", workload.queues());
    fields.put("producers", workload.producers());
    fields.put("flush", workload.sync() ? "sync" : "async");
    fields.put("unique_keys", workload.uniqueKeys());
    fields.put("warm_up_messages", workload.warmUp());
    number("seconds", seconds);
    number("messages_per_second", messages / seconds);
    number("mb_per_second", millions * workload.size() / seconds);
    number("cpu_seconds", meter.cpuSeconds());
    number("cpu_seconds_per_million", meter.cpuSeconds() / millions);
    number("p50_us", latencies.microseconds(0.5));
    number("p99_us", latencies.microseconds(0.99));
    number("p999_us", latencies.microseconds(0.999));
    fields.put("anon_peak_mib", meter.anonPeakMib());
  }

  void number(String name, double value) {
    fields.put(name, Math.round(value * 1000) / 1000.0);
  }

  void put(String name, Object value) {
    fields.put(name, value);
  }

  void print() {
    System.out.println(JSON.toJSONString(fields));
  }
}
