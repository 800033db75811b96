package troupe.compat;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import java.util.zip.CRC32C;

/**
 * What is in the files of a store. Java repairs queues and index from the log as it opens a store,
 * and would then read them well: only unchanged files prove that they were right before.
 */
final class FileSums {
  private static final List<String> DIRECTORIES = List.of("commitlog", "consumequeue", "index");
  private static final int BUFFER_BYTES = 1 << 20;

  private final Map<Path, Long> sums = new HashMap<>();

  static FileSums of(Path root) throws IOException {
    FileSums result = new FileSums();
    for (String directory : DIRECTORIES) {
      if (Files.isDirectory(root.resolve(directory))) {
        try (Stream<Path> files = Files.walk(root.resolve(directory))) {
          for (Path file : files.filter(Files::isRegularFile).toList()) {
            result.sums.put(root.relativize(file), sum(file));
          }
        }
      }
    }
    return result;
  }

  void reportChanges(FileSums later, Findings findings) {
    Set<Path> files = new TreeSet<>(sums.keySet());
    files.addAll(later.sums.keySet());
    for (Path file : files) {
      findings.count("files");
      if (!later.sums.containsKey(file)) {
        findings.differ("Java removed %s as it opened the store", file);
      } else if (!sums.containsKey(file)) {
        findings.differ("Java added %s as it opened the store", file);
      } else if (!sums.get(file).equals(later.sums.get(file))) {
        findings.differ("Java changed %s as it opened the store", file);
      }
    }
  }

  private static long sum(Path file) throws IOException {
    CRC32C sum = new CRC32C();
    byte[] buffer = new byte[BUFFER_BYTES];
    try (InputStream in = Files.newInputStream(file)) {
      int read;
      while ((read = in.read(buffer)) > 0) {
        sum.update(buffer, 0, read);
      }
    }
    return Files.size(file) << 32 ^ sum.getValue();
  }
}
