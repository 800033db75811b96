package troupe.compare;

import java.time.Duration;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.config.FlushDiskType;
import troupe.compat.JavaStore;
import troupe.compat.StoreSizes;

/** Puts messages into the Java store until the queues hold them all, and reads them back. */
public final class PutBench {
  private static final Duration DRAIN_LIMIT = Duration.ofMinutes(10);
  private static final int READ_BATCH = 32;

  private PutBench() {}

  public static void main(String[] args) {
    Launcher.launch(args, "put", 64, PutBench::run);
  }

  private static boolean run(Workload workload) throws Exception {
    try (JavaStore java =
        JavaStore.open(
            workload.directory(),
            StoreSizes.DEFAULTS,
            config ->
                config.setFlushDiskType(
                    workload.sync() ? FlushDiskType.SYNC_FLUSH : FlushDiskType.ASYNC_FLUSH))) {
      DefaultMessageStore store = java.store();
      Bodies bodies = new Bodies(workload.size());
      Latencies latencies = new Latencies();
      Producers producers = new Producers(store, workload, bodies, latencies);
      producers.run(0, workload.warmUp());
      java.awaitDispatch(DRAIN_LIMIT);
      latencies.clear();

      int total = workload.warmUp() + workload.messages();
      long logBefore = store.getMaxPhyOffset();
      Meter meter = new Meter(store::dispatchBehindBytes);
      meter.start();
      producers.run(workload.warmUp(), total);
      long putNs = System.nanoTime();
      java.awaitDispatch(DRAIN_LIMIT);
      meter.stop();
      double drainSeconds = (System.nanoTime() - putNs) / 1e9;

      double recordBytes = (double) (store.getMaxPhyOffset() - logBefore) / workload.messages();
      boolean verified = new Reader(store, workload).verify(bodies, READ_BATCH, total);
      Report report = new Report(workload, workload.messages(), meter, latencies);
      report.put("backlog_max", Math.round(meter.backlogMaxBytes() / recordBytes));
      report.put("backlog_max_bytes", meter.backlogMaxBytes());
      report.number("drain_seconds", drainSeconds);
      report.put("verified", verified);
      report.print();
      return verified;
    }
  }
}
