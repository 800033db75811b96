package troupe.compat;

import java.io.IOException;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.store.DefaultMessageStore;
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

  /** One more than the last offset of a queue. */
  public static long maxOffset(DefaultMessageStore store, String topic, int queueId) {
    return store.getMaxOffsetInQueue(topic, queueId);
  }
}
