package troupe.compat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * Opens a store directory with the real Java store and compares all that it hands out with a
 * manifest. Recovery may change files: hand in a copy.
 */
public final class ReadStore {
  private static final String USAGE =
      "usage: ReadStore DIR MANIFEST [--log-file-size N] [--queue-file-size N] [--slots N]"
          + " [--index-entries N] [--ignore-property NAME]";
  private static final Duration DISPATCH_LIMIT = Duration.ofMinutes(2);

  private ReadStore() {}

  public static void main(String[] args) {
    int code;
    try {
      code = run(args);
    } catch (IllegalArgumentException e) {
      System.err.println(e.getMessage() + "\n" + USAGE);
      code = 2;
    } catch (Exception e) {
      System.err.println("ReadStore failed: " + e);
      code = 1;
    }
    // The store leaves threads behind that would keep the process alive.
    System.exit(code);
  }

  private static int run(String[] args) throws Exception {
    List<String> valued = new ArrayList<>(StoreSizes.OPTIONS);
    valued.add("--ignore-property");
    Options options = new Options(args, valued, List.of());
    if (options.words().size() != 2) {
      throw new IllegalArgumentException("DIR and MANIFEST are needed");
    }
    Path root = Path.of(options.words().get(0)).toAbsolutePath();
    List<ManifestEntry> manifest = Manifest.read(Path.of(options.words().get(1)));
    StoreSizes sizes = StoreSizes.of(root, options, StoreSizes.DEFAULTS);
    String ignored = options.text("--ignore-property", null);

    Findings findings = new Findings();
    // After a crash Java has to repair the files; after an orderly stop it has nothing to do.
    boolean stoppedInOrder = !Files.exists(root.resolve("abort"));
    FileSums before = FileSums.of(root);
    // A query must not be cut short: all messages of a key are compared.
    try (JavaStore java =
        JavaStore.open(root, sizes, config -> config.setMaxMsgsNumBatch(Integer.MAX_VALUE))) {
      java.awaitDispatch(DISPATCH_LIMIT);
      new StoreCheck(
              java.store(), manifest, ignored == null ? Set.of() : Set.of(ignored), findings)
          .run();
    }
    if (stoppedInOrder) {
      before.reportChanges(FileSums.of(root), findings);
    }
    return findings.summarize();
  }
}
