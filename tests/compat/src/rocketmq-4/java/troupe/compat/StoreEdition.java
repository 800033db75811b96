package troupe.compat;

import java.io.IOException;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.config.BrokerRole;
import org.apache.rocketmq.store.config.MessageStoreConfig;
import org.apache.rocketmq.store.stats.BrokerStatsManager;

/** RocketMQ 4: the calls that are spelt differently in the two lines. */
public final class StoreEdition {
  private StoreEdition() {}

  /** Makes a store that is neither loaded nor started. */
  public static DefaultMessageStore create(MessageStoreConfig config) throws IOException {
    return new DefaultMessageStore(
        config,
        new BrokerStatsManager("troupe", false),
        (topic, queueId, offset, tagsCode, storeTime, filter, properties) -> {},
        new BrokerConfig());
  }

  /** Starts a loaded store; from then on it changes only by what is put. */
  public static void start(DefaultMessageStore store) throws Exception {
    store.start();
    // Here the store itself delivers delayed messages, first after a second, and would append
    // them to the log under a reader's hands. In RocketMQ 5 that is the broker's work.
    store.handleScheduleMessageService(BrokerRole.SLAVE);
  }

  /** One more than the last offset of a queue. */
  public static long maxOffset(DefaultMessageStore store, String topic, int queueId) {
    return store.getMaxOffsetInQueue(topic, queueId);
  }
}
