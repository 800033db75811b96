package troupe.compare;

import java.time.Duration;
import org.apache.rocketmq.store.DefaultMessageStore;
import troupe.compat.JavaStore;
import troupe.compat.StoreSizes;

/** Fills a store, then reads it in batches while all of it is in the page cache. */
public final class GetBench {
  /** One pass is over in a fraction of a second, too short for a clock that ticks in 10 ms. */
  private static final int PASSES = 5;

  private static final Duration DRAIN_LIMIT = Duration.ofMinutes(10);

  private GetBench() {}

  public static void main(String[] args) {
    Launcher.launch(args, "get", 32, GetBench::run);
  }

  private static boolean run(Workload workload) throws Exception {
    try (JavaStore java =
        JavaStore.open(workload.directory(), StoreSizes.DEFAULTS, config -> {})) {
      DefaultMessageStore store = java.store();
      Bodies bodies = new Bodies(workload.size());
      Latencies latencies = new Latencies();
      new Producers(store, workload, bodies, latencies).run(0, workload.messages());
      java.awaitDispatch(DRAIN_LIMIT);

      Reader reader = new Reader(store, workload);
      for (int read = 0; read < workload.warmUp(); read += workload.messages()) {
        reader.readAll(workload.batch(), latencies);
      }
      latencies.clear();
      Meter meter = new Meter(store::dispatchBehindBytes);
      long bytes = 0;
      meter.start();
      for (int pass = 0; pass < PASSES; pass++) {
        bytes += reader.readAll(workload.batch(), latencies);
      }
      meter.stop();

      boolean verified =
          bytes == (long) workload.messages() * workload.size() * PASSES
              && reader.verify(bodies, workload.batch(), workload.messages());
      Report report = new Report(workload, workload.messages() * PASSES, meter, latencies);
      report.put("backlog_max", 0);
      report.number("drain_seconds", 0);
      report.put("verified", verified);
      report.print();
      return verified;
    }
  }
}
