//! A real RabbitMQ, behind a proxy.

use std::sync::Arc;
use std::time::Duration;

use downbeat::address::Address;
use downbeat::carrier::amqp::Amqp;
use downbeat::tls::Tls;
use downbeat::worker::{AmqpQueue, CeleryQueue, Publication, Queue, Worker};
use lapin::options::{BasicGetOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::Rig;
use crate::support::proxy::Proxy;
use crate::support::rabbitmq::RabbitMq;
use crate::support::redis::free_port;

/// No request takes longer, and one that is not answered takes as long.
const DEADLINE: Duration = Duration::from_secs(5);

pub(super) struct AmqpRig {
    proxy: Proxy,
    carrier: Amqp,
    channel: Channel,
    _connection: Connection,
    // Dropped last: the connection lives on it.
    runtime: Option<Runtime>,
    _server: Arc<RabbitMq>,
}

impl AmqpRig {
    pub(super) fn new() -> AmqpRig {
        let server = RabbitMq::shared();
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
        let (url, properties) = (server.url(), ConnectionProperties::default());
        let (connection, channel) = runtime.block_on(async {
            let connection = Connection::connect(&url, properties).await.unwrap();
            let channel = connection.create_channel().await.unwrap();
            (connection, channel)
        });
        let carrier = Amqp::new(DEADLINE, &Tls::default());
        let proxy = Proxy::amqp(&server);
        let (runtime, _connection) = (Some(runtime), connection);
        AmqpRig { proxy, carrier, channel, _connection, runtime, _server: server }
    }

    /// Has the test's own client do something, apart from the runtime of the test.
    fn wait<T: Send>(&self, work: impl Future<Output = T> + Send) -> T {
        let runtime = self.runtime.as_ref().unwrap();
        tokio::task::block_in_place(|| runtime.block_on(work))
    }

    fn at(url: &str) -> Arc<Queue> {
        let Ok(Address::Amqp(url)) = Address::parse(url) else { panic!("{url}") };
        let amqp = Some(AmqpQueue::on(Arc::new(url)));
        let name = Uuid::new_v4().to_string().into();
        Arc::new(Queue {
            name,
            worker: Worker::Celery(CeleryQueue::default()),
            amqp,
            catch_up_rate: None,
        })
    }
}

impl Drop for AmqpRig {
    fn drop(&mut self) {
        // One runtime may not end another by waiting for it.
        self.runtime.take().unwrap().shutdown_background();
    }
}

impl Rig for AmqpRig {
    type Carrier = Amqp;

    fn carrier(&self) -> Amqp {
        self.carrier.clone()
    }

    fn queue(&self) -> Arc<Queue> {
        let queue = AmqpRig::at(&self.proxy.url());
        let options = QueueDeclareOptions { auto_delete: true, ..Default::default() };
        let name = (*queue.name).into();
        self.wait(self.channel.queue_declare(name, options, FieldTable::default())).unwrap();
        queue
    }

    /// One that nobody has declared.
    fn refusing_queue(&self) -> Arc<Queue> {
        AmqpRig::at(&self.proxy.url())
    }

    fn unreachable_queue(&self) -> Arc<Queue> {
        AmqpRig::at(&format!("amqp://127.0.0.1:{}//", free_port()))
    }

    fn take(&self, queue: &Queue) -> Vec<Uuid> {
        self.wait(async {
            let mut ids = Vec::new();
            let options = BasicGetOptions { no_ack: true };
            while let Some(got) =
                self.channel.basic_get((*queue.name).into(), options).await.unwrap()
            {
                let id = got.properties.correlation_id().as_ref().unwrap().as_str();
                assert_eq!(got.data, id.as_bytes());
                ids.push(id.parse().unwrap());
            }
            ids
        })
    }

    fn misroute(&self, message: &mut Publication) {
        message.routing_key = "no-such-queue".into();
    }

    fn cut_answers(&self, _: &Queue) {
        self.proxy.cut_answers();
    }

    fn mend(&self, _: &Queue) {
        self.proxy.mend();
    }
}
