package troupe.compare;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import troupe.compat.JavaStore;
import troupe.compat.StoreSizes;

/** Opens an existing directory and waits until its queues and index hold all of its log. */
public final class LoadBench {
  private static final Duration LIMIT = Duration.ofMinutes(30);

  private LoadBench() {}

  public static void main(String[] args) throws Exception {
    if (args.length != 1) {
      System.err.println("one argument: the store's directory, which is changed");
      System.exit(2);
    }
    long began = System.nanoTime();
    try (JavaStore java =
        JavaStore.open(Path.of(args[0]), StoreSizes.DEFAULTS, config -> {})) {
      double opened = (System.nanoTime() - began) / 1e9;
      java.awaitDispatch(LIMIT);
      double done = (System.nanoTime() - began) / 1e9;
      System.out.printf(
          Locale.ROOT, "{\"load_seconds\":%.3f,\"seconds\":%.3f}%n", opened, done);
    }
    // The store leaves threads behind that would keep the process alive.
    System.exit(0);
  }
}
