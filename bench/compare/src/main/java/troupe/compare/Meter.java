package troupe.compare;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.LongSupplier;

/** Time, CPU time, peak anonymous memory and highest backlog between its start and its stop. */
final class Meter {
  private static final long SAMPLE_INTERVAL_MS = 20;
  private static final Path STATUS = Path.of("/proc/self/status");

  private final OperatingSystemMXBean system =
      (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
  private final LongSupplier backlogBytes;
  private final Thread sampler = new Thread(this::sampleUntilStopped, "sampler");
  private volatile boolean stopped;
  private long startNs;
  private long startCpuNs;
  private double seconds;
  private double cpuSeconds;
  private long anonPeakKib;
  private long backlogMax;

  Meter(LongSupplier backlogBytes) {
    this.backlogBytes = backlogBytes;
    sampler.setDaemon(true);
  }

  void start() {
    startCpuNs = system.getProcessCpuTime();
    startNs = System.nanoTime();
    sampler.start();
  }

  void stop() throws InterruptedException {
    seconds = (System.nanoTime() - startNs) / 1e9;
    cpuSeconds = (system.getProcessCpuTime() - startCpuNs) / 1e9;
    stopped = true;
    sampler.join();
  }

  double seconds() {
    return seconds;
  }

  double cpuSeconds() {
    return cpuSeconds;
  }

  long anonPeakMib() {
    return anonPeakKib / 1024;
  }

  long backlogMaxBytes() {
    return backlogMax;
  }

  private void sampleUntilStopped() {
    try {
      while (!stopped) {
        backlogMax = Math.max(backlogMax, backlogBytes.getAsLong());
        anonPeakKib = Math.max(anonPeakKib, anonKib());
        Thread.sleep(SAMPLE_INTERVAL_MS);
      }
    } catch (IOException | InterruptedException e) {
      throw new IllegalStateException("cannot sample " + STATUS, e);
    }
  }

  private static long anonKib() throws IOException {
    for (String line : Files.readAllLines(STATUS)) {
      if (line.startsWith("RssAnon:")) {
        return Long.parseLong(line.replaceAll("\\D", ""));
      }
    }
    throw new IOException("no RssAnon");
  }
}
