package troupe.compare;

import java.nio.file.Path;
import java.util.List;
import troupe.compat.Options;

/** What a benchmark does; the names are those of {@code troupe bench}. */
record Workload(
    String name,
    int messages,
    int warmUp,
    int size,
    int batch,
    int queues,
    int inFlight,
    int producers,
    boolean uniqueKeys,
    boolean sync,
    boolean encodeDirectly,
    Path directory) {
  static final List<String> VALUED =
      List.of(
          "--name",
          "--messages",
          "--warm-up",
          "--size",
          "--batch",
          "--queues",
          "--in-flight",
          "--producers",
          "--flush",
          "--directory");
  static final List<String> FLAGS = List.of("--unique-keys", "--encode-directly");

  private static final int QUEUES_PER_TOPIC = 1000;
  private static final int DEFAULT_WARM_UP = 500_000;

  Workload {
    if (messages < 1 || size < Bodies.SMALLEST || batch < 1 || queues < 1 || producers < 1) {
      throw new IllegalArgumentException(
          "--messages, --batch, --queues and --producers are at least 1, --size at least "
              + Bodies.SMALLEST);
    }
    if (inFlight < batch) {
      throw new IllegalArgumentException("--in-flight must hold a batch");
    }
    // Then every queue has one producer, and its order can be checked.
    if (queues % producers != 0) {
      throw new IllegalArgumentException("--queues must be a multiple of --producers");
    }
  }

  static Workload of(Options options, String name, int defaultBatch) {
    if (!options.words().isEmpty()) {
      throw new IllegalArgumentException("unexpected word " + options.words().get(0));
    }
    int batch = options.number("--batch", defaultBatch);
    int queues = options.number("--queues", 16);
    String flush = options.text("--flush", "async");
    if (!flush.equals("async") && !flush.equals("sync")) {
      throw new IllegalArgumentException("--flush is sync or async");
    }
    // Every queue is written to once, so that no file is created while time is taken.
    int warmUp = Math.max(DEFAULT_WARM_UP, queues * batch);
    return new Workload(
        options.text("--name", name),
        options.number("--messages", 2_000_000),
        options.number("--warm-up", warmUp),
        options.number("--size", 1024),
        batch,
        queues,
        options.number("--in-flight", 4096),
        options.number("--producers", 1),
        options.has("--unique-keys"),
        flush.equals("sync"),
        options.has("--encode-directly"),
        Path.of(options.text("--directory", "target/data")).toAbsolutePath());
  }

  String topic(int queue) {
    return "Bench" + queue / QUEUES_PER_TOPIC;
  }

  int queueId(int queue) {
    return queue % QUEUES_PER_TOPIC;
  }
}
