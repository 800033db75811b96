package troupe.compat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.Stream;

/** The sizes that a reader of a store must know beforehand, since no file says them. */
public record StoreSizes(int logFileBytes, int queueFileBytes, int slots, int indexEntries) {
  public static final StoreSizes DEFAULTS =
      new StoreSizes(1024 * 1024 * 1024, 300_000 * 20, 5_000_000, 20_000_000);
  public static final List<String> OPTIONS =
      List.of("--log-file-size", "--queue-file-size", "--slots", "--index-entries");

  private static final int INDEX_HEADER_BYTES = 40;
  private static final int SLOT_BYTES = 4;
  private static final int ENTRY_BYTES = 20;

  /** What the options say, and for the rest what the lengths of the files in `root` say. */
  public static StoreSizes of(Path root, Options options, StoreSizes fallback)
      throws IOException {
    OptionalInt log = lengthOfAnyFile(root.resolve("commitlog"));
    OptionalInt queue = lengthOfAnyFile(root.resolve("consumequeue"));
    OptionalInt index = lengthOfAnyFile(root.resolve("index"));
    int indexBytes = index.orElse(fallback.indexFileBytes()) - INDEX_HEADER_BYTES;
    // The length alone does not part slots from entries: four entries a slot, as by default.
    int slots = options.number("--slots", indexBytes / (SLOT_BYTES + 4 * ENTRY_BYTES));
    int entries = (indexBytes - SLOT_BYTES * slots) / ENTRY_BYTES;
    StoreSizes sizes =
        new StoreSizes(
            options.number("--log-file-size", log.orElse(fallback.logFileBytes)),
            options.number("--queue-file-size", queue.orElse(fallback.queueFileBytes)),
            slots,
            options.number("--index-entries", entries));
    if (index.isPresent() && sizes.indexFileBytes() != index.getAsInt()) {
      throw new IllegalArgumentException(
          "an index file has %d bytes, %d slots and %d entries need %d: give --slots and"
                  .formatted(index.getAsInt(), slots, sizes.indexEntries, sizes.indexFileBytes())
              + " --index-entries");
    }
    return sizes;
  }

  public int indexFileBytes() {
    return INDEX_HEADER_BYTES + SLOT_BYTES * slots + ENTRY_BYTES * indexEntries;
  }

  private static OptionalInt lengthOfAnyFile(Path directory) throws IOException {
    if (!Files.isDirectory(directory)) {
      return OptionalInt.empty();
    }
    try (Stream<Path> files = Files.walk(directory)) {
      Optional<Path> first = files.filter(Files::isRegularFile).findFirst();
      return first.isEmpty()
          ? OptionalInt.empty()
          : OptionalInt.of(Math.toIntExact(Files.size(first.get())));
    }
  }
}
