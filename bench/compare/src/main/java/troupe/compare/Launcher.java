package troupe.compare;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import troupe.compat.Options;

/** What both benchmarks do around their work: command line, directory, exit code. */
final class Launcher {
  interface Benchmark {
    /** Returns whether all that was read back was right. */
    boolean run(Workload workload) throws Exception;
  }

  private Launcher() {}

  static void launch(String[] args, String name, int batch, Benchmark benchmark) {
    int code;
    try {
      Workload workload =
          Workload.of(new Options(args, Workload.VALUED, Workload.FLAGS), name, batch);
      code = runInNewDirectory(workload, benchmark) ? 0 : 1;
    } catch (IllegalArgumentException e) {
      System.err.println(e.getMessage());
      System.err.println("options: " + Workload.VALUED + " and " + Workload.FLAGS);
      code = 2;
    } catch (Exception e) {
      e.printStackTrace();
      code = 1;
    }
    // The store leaves threads behind that would keep the process alive.
    System.exit(code);
  }

  private static boolean runInNewDirectory(Workload workload, Benchmark benchmark)
      throws Exception {
    Path directory = workload.directory();
    if (Files.exists(directory)) {
      throw new IllegalArgumentException(directory + " exists; name a directory to create");
    }
    try {
      return benchmark.run(workload);
    } finally {
      remove(directory);
    }
  }

  private static void remove(Path directory) throws IOException {
    if (!Files.exists(directory)) {
      return;
    }
    List<Path> paths;
    try (Stream<Path> walk = Files.walk(directory)) {
      paths = walk.sorted(Comparator.reverseOrder()).toList();
    }
    for (Path path : paths) {
      Files.deleteIfExists(path);
    }
  }
}
