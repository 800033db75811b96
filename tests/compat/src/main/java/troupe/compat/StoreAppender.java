package troupe.compat;

import java.io.BufferedWriter;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.rocketmq.common.UtilAll;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExtBatch;
import org.apache.rocketmq.store.AppendMessageResult;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.PutMessageResult;

/** Appends to the Java store and writes down, from its answers, what must be found later. */
final class StoreAppender implements AutoCloseable {
  private static final InetSocketAddress BORN_HOST = new InetSocketAddress("10.1.2.3", 54321);
  private static final InetSocketAddress STORE_HOST = new InetSocketAddress("127.0.0.1", 10911);
  private static final long BORN_TIMESTAMP = 1_700_000_000_000L;

  private final DefaultMessageStore store;
  private final BufferedWriter manifest;
  private final int seed;
  private int created;
  private int appended;

  StoreAppender(DefaultMessageStore store, Path manifest, int seed) throws IOException {
    this.store = store;
    this.manifest = Files.newBufferedWriter(manifest);
    this.seed = seed;
  }

  /** How many messages were appended so far. */
  int appended() {
    return appended;
  }

  /** A message with an own UNIQ_KEY; the caller adds what it wants. */
  NewMessage newMessage(String topic, int queueId) {
    NewMessage message = new NewMessage();
    message.setTopic(topic);
    message.setQueueId(queueId);
    message.setBornTimestamp(BORN_TIMESTAMP + created);
    message.setBornHost(BORN_HOST);
    message.setStoreHost(STORE_HOST);
    MessageAccessor.putProperty(
        message,
        MessageConst.PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX,
        "%016X%016X".formatted(seed, created++));
    return message;
  }

  void append(NewMessage message) throws Exception {
    message.setPropertiesString(MessageDecoder.messageProperties2String(message.getProperties()));
    AppendMessageResult result = check(store.asyncPutMessage(message).get());
    message.setStoreSize(result.getWroteBytes());
    note(message, result, result.getWroteOffset(), result.getLogicsOffset(), result.getMsgId());
  }

  /** Appends messages of one queue through the call that takes a client's batch. */
  void appendBatch(List<NewMessage> messages) throws Exception {
    NewMessage first = messages.get(0);
    MessageExtBatch batch = new MessageExtBatch();
    batch.setTopic(first.getTopic());
    batch.setQueueId(first.getQueueId());
    batch.setBornTimestamp(first.getBornTimestamp());
    batch.setBornHost(first.getBornHost());
    batch.setStoreHost(first.getStoreHost());
    List<Message> plain = new ArrayList<>(messages);
    batch.setBody(MessageDecoder.encodeMessages(plain));
    AppendMessageResult result = check(store.asyncPutMessages(batch).get());

    String[] ids = result.getMsgId().split(",");
    for (int i = 0; i < messages.size(); i++) {
      NewMessage message = messages.get(i);
      long offset = physicalOffset(ids[i]);
      long end =
          i + 1 < ids.length
              ? physicalOffset(ids[i + 1])
              : result.getWroteOffset() + result.getWroteBytes();
      message.setStoreSize(Math.toIntExact(end - offset));
      // What the batch says about all of them wins over what each would have said alone.
      message.setBornTimestamp(first.getBornTimestamp());
      message.setReconsumeTimes(0);
      note(message, result, offset, result.getLogicsOffset() + i, ids[i]);
    }
  }

  @Override
  public void close() throws IOException {
    manifest.close();
  }

  private void note(
      NewMessage message, AppendMessageResult result, long offset, long queueOffset, String id)
      throws IOException {
    message.setCommitLogOffset(offset);
    message.setQueueOffset(queueOffset);
    message.setStoreTimestamp(result.getStoreTimestamp());
    message.setBodyCRC(UtilAll.crc32(message.getBody()));
    message.setMsgId(id);
    manifest.write(Manifest.line(Manifest.describe(message)));
    manifest.newLine();
    appended++;
  }

  private static AppendMessageResult check(PutMessageResult result) throws IOException {
    if (!result.isOk()) {
      throw new IOException("put refused: " + result);
    }
    return result.getAppendMessageResult();
  }

  private static long physicalOffset(String messageId) throws IOException {
    return MessageDecoder.decodeMessageId(messageId).getOffset();
  }
}
