package troupe.compat;

import java.io.IOException;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.config.MessageStoreConfig;
import org.apache.rocketmq.store.exception.ConsumeQueueException;
import org.apache.rocketmq.store.stats.BrokerStatsManager;

/** RocketMQ 5: the calls that are spelt differently in the two lines. */
public final class StoreEdition {
  private StoreEdition() {}

  /** Makes a store that is neither loaded nor started. */
  public static DefaultMessageStore create(MessageStoreConfig config) throws IOException {
    // Both would add threads and directories that have nothing to do with the message store.
    config.setTimerWheelEnable(false);
    config.setEnableCompaction(false);
    config.setDiskSpaceWarningLevelRatio(99);
    config.setDiskSpaceCleanForciblyRatio(99);
    return new DefaultMessageStore(
        config,
        new BrokerStatsManager("troupe", false),
        (topic, queueId, offset, tagsCode, storeTime, filter, properties) -> {},
        new BrokerConfig(),
        new ConcurrentHashMap<>());
  }

  /** Starts a loaded store; from then on it changes only by what is put. */
  public static void start(DefaultMessageStore store) throws Exception {
    store.start();
  }

  /** One more than the last offset of a queue. */
  public static long maxOffset(DefaultMessageStore store, String topic, int queueId) {
    try {
      return store.getMaxOffsetInQueue(topic, queueId);
    } catch (ConsumeQueueException e) {
      throw new IllegalStateException("no maximum offset of " + topic + " queue " + queueId, e);
    }
  }
}
