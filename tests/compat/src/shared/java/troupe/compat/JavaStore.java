package troupe.compat;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.function.Consumer;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.config.FlushDiskType;
import org.apache.rocketmq.store.config.MessageStoreConfig;

/** The real DefaultMessageStore over one directory: loaded, started, shut down in order. */
public final class JavaStore implements AutoCloseable {
  private static final int TEN_YEARS_IN_HOURS = 10 * 365 * 24;

  private final DefaultMessageStore store;

  private JavaStore(DefaultMessageStore store) {
    this.store = store;
  }

  /** Opens or creates; recovery may change files, so hand in a copy of what must stay. */
  public static JavaStore open(Path root, StoreSizes sizes, Consumer<MessageStoreConfig> adjust)
      throws Exception {
    allowFullDisk();
    MessageStoreConfig config = new MessageStoreConfig();
    config.setStorePathRootDir(root.toString());
    config.setStorePathCommitLog(root.resolve("commitlog").toString());
    config.setMappedFileSizeCommitLog(sizes.logFileBytes());
    config.setMappedFileSizeConsumeQueue(sizes.queueFileBytes());
    config.setMaxHashSlotNum(sizes.slots());
    config.setMaxIndexNum(sizes.indexEntries());
    config.setFlushDiskType(FlushDiskType.ASYNC_FLUSH);
    config.setHaListenPort(0);
    // Nothing may be deleted under a check or a measurement.
    config.setFileReservedTime(TEN_YEARS_IN_HOURS);
    config.setDiskMaxUsedSpaceRatio(95);
    config.setCleanFileForciblyEnable(false);
    adjust.accept(config);

    DefaultMessageStore store = StoreEdition.create(config);
    if (!store.load()) {
      throw new IOException("load() refused " + root);
    }
    StoreEdition.start(store);
    return new JavaStore(store);
  }

  public DefaultMessageStore store() {
    return store;
  }

  /** Returns when queues and index hold all that the log holds. */
  public void awaitDispatch(Duration limit) throws InterruptedException {
    long deadline = System.nanoTime() + limit.toNanos();
    while (store.dispatchBehindBytes() > 0) {
      if (System.nanoTime() > deadline) {
        throw new IllegalStateException(
            "still %d bytes behind after %s".formatted(store.dispatchBehindBytes(), limit));
      }
      Thread.sleep(1);
    }
  }

  @Override
  public void close() {
    store.shutdown();
  }

  /** The store reads these when its classes load; RocketMQ 4 has no setters for them. */
  private static void allowFullDisk() {
    System.setProperty("rocketmq.broker.diskSpaceWarningLevelRatio", "0.99");
    System.setProperty("rocketmq.broker.diskSpaceCleanForciblyRatio", "0.99");
  }
}
