package troupe.compat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.sysflag.MessageSysFlag;

/**
 * Creates a store with the Java side, or appends to one, and writes a manifest of what it
 * appended: several topics, keys, tags, batches, transactions, sizes from nothing to a file.
 */
public final class WriteStore {
  private static final String USAGE =
      "usage: WriteStore DIR MANIFEST [--messages N] [--seed N] [--log-file-size N]"
          + " [--queue-file-size N] [--slots N] [--index-entries N]";
  private static final Duration DISPATCH_LIMIT = Duration.ofMinutes(2);
  /** Small enough that a few thousand messages roll files of every kind. */
  private static final StoreSizes SMALL = new StoreSizes(64 * 1024, 1000 * 20, 100, 400);

  private static final int DEFAULT_MESSAGES = 2500;
  private static final int BATCH = 5;
  private static final int LARGE_BODY_BYTES = 60_000;
  private static final List<String> TOPICS =
      List.of("Orders", "Payments", "%RETRY%Group", "%DLQ%Group", "z", "T" + "x".repeat(126));
  private static final List<String> TAGS =
      List.of("TagA", "TagB", "标签", "polygenelubricants", "");

  private final StoreAppender appender;
  private final Random random;
  private final int largestBody;

  private WriteStore(StoreAppender appender, Random random, int largestBody) {
    this.appender = appender;
    this.random = random;
    this.largestBody = largestBody;
  }

  public static void main(String[] args) {
    int code = 0;
    try {
      run(args);
    } catch (IllegalArgumentException e) {
      System.err.println(e.getMessage() + "\n" + USAGE);
      code = 2;
    } catch (Exception e) {
      System.err.println("WriteStore failed: " + e);
      code = 1;
    }
    // The store leaves threads behind that would keep the process alive.
    System.exit(code);
  }

  private static void run(String[] args) throws Exception {
    List<String> valued = new ArrayList<>(StoreSizes.OPTIONS);
    valued.addAll(List.of("--messages", "--seed"));
    Options options = new Options(args, valued, List.of());
    if (options.words().size() != 2) {
      throw new IllegalArgumentException("DIR and MANIFEST are needed");
    }
    Path root = Path.of(options.words().get(0)).toAbsolutePath();
    StoreSizes sizes = StoreSizes.of(root, options, SMALL);
    int seed = options.number("--seed", 1);

    try (JavaStore java = JavaStore.open(root, sizes, config -> {});
        StoreAppender appender =
            new StoreAppender(java.store(), Path.of(options.words().get(1)), seed)) {
      java.awaitDispatch(DISPATCH_LIMIT);
      int largest = Math.min(LARGE_BODY_BYTES, sizes.logFileBytes() / 2);
      new WriteStore(appender, new Random(seed), largest)
          .write(options.number("--messages", DEFAULT_MESSAGES));
      java.awaitDispatch(DISPATCH_LIMIT);
      System.out.printf("appended %d messages%n", appender.appended());
    }
  }

  private void write(int messages) throws Exception {
    appender.append(message("Orders", 0, 0));
    appender.append(message("Big", 0, largestBody));
    while (appender.appended() < messages) {
      int round = appender.appended();
      if (round % 20 == 7) {
        writeBatch();
      } else if (round % 50 == 11) {
        writeTransaction();
      } else if (random.nextInt(3) == 0) {
        // One busy queue, so that its entries fill more than one queue file.
        appender.append(message("Many", 0, random.nextInt(40)));
      } else {
        String topic = TOPICS.get(random.nextInt(TOPICS.size()));
        appender.append(message(topic, random.nextInt(4), random.nextInt(1500)));
      }
    }
  }

  private void writeBatch() throws Exception {
    List<NewMessage> batch = new ArrayList<>();
    int queueId = random.nextInt(3);
    for (int i = 0; i < BATCH; i++) {
      batch.add(message("Batches", queueId, random.nextInt(300)));
    }
    appender.appendBatch(batch);
  }

  /** A prepared, a committing and a rolled back message: only the second enters the queue. */
  private void writeTransaction() throws Exception {
    for (int type :
        new int[] {
          MessageSysFlag.TRANSACTION_PREPARED_TYPE,
          MessageSysFlag.TRANSACTION_COMMIT_TYPE,
          MessageSysFlag.TRANSACTION_ROLLBACK_TYPE
        }) {
      NewMessage message = message("Transactions", 0, random.nextInt(100));
      message.setSysFlag(type);
      appender.append(message);
    }
  }

  private NewMessage message(String topic, int queueId, int bodyBytes) {
    NewMessage message = appender.newMessage(topic, queueId);
    byte[] body = new byte[bodyBytes];
    random.nextBytes(body);
    message.setBody(body);
    message.setFlag(random.nextInt());
    message.setReconsumeTimes(random.nextInt(4));
    String tag = TAGS.get(random.nextInt(TAGS.size()));
    if (!tag.isEmpty()) {
      message.setTags(tag);
    }
    String order = "order-" + random.nextInt(400);
    switch (random.nextInt(3)) {
      case 0 -> message.setKeys(order);
      case 1 -> message.setKeys(order + MessageConst.KEY_SEPARATOR + "customer-" + queueId);
      default -> message.putUserProperty("région", "été-" + order);
    }
    return message;
  }
}
