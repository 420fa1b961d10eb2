//! The node's mail: taken at once, delivered behind every request's back.
//!
//! One thread delivers. What the server does not take is tried again, each letter after a pause of its own that doubles; a server that
//! cannot be used pauses all of them. A letter is given up when it is no longer worth reading ([`Mail::seconds`]) or the server
//! says never. Nothing of a letter but its id and its subject reaches the log, and everything that becomes of it does: taken,
//! delivered, put off, given up. The id is in the letter's `Message-ID`, to be found in the mail server's log.
//!
//! A server that cannot be used when the node starts is in the log at once, before anybody waits for a letter.
//!
//! Letters wait in memory, [`WAITING_MAX`] of them and [`WAITING_MAX_OF_ONE`] of one account: they hold codes that are good for minutes.
//! A node that stops tries each once more. One that is killed loses them; its log has said that they were taken, and whoever waits for a code asks for another.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use metrics::{counter, gauge};
use rootward_alerts::{Letter, MailServer, Unsent};
use rootward_names::{AccountId, Handle, Time};
use rootward_pipeline::{Draw, Mail, Mailer};

use crate::source::Source;

/// How many letters may wait. Who asks for letters is slowed down long before.
const WAITING_MAX: usize = 1_000;
/// How many of them may be one account's, so that no account keeps the others' from being taken.
const WAITING_MAX_OF_ONE: usize = 100;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Who delivers.
pub(crate) struct Postman {
    bag: Arc<Bag>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What waits to be delivered.
#[derive(Default)]
struct Bag {
    inside: Mutex<Inside>,
    changed: Condvar,
}

#[derive(Default)]
struct Inside {
    waiting: VecDeque<Waiting>,
    stopping: bool,
}

impl Inside {
    /// Why no more letters are taken from this account.
    fn refusal(&self, account: AccountId) -> Option<&'static str> {
        let of_account = || self.waiting.iter().filter(|letter| letter.mail.share_of == account).count();
        match self.waiting.len() {
            _ if self.stopping => Some("the node stops"),
            WAITING_MAX.. => Some("too many wait"),
            WAITING_MAX_OF_ONE.. if of_account() >= WAITING_MAX_OF_ONE => {
                Some("too many of the account wait")
            }
            _ => None,
        }
    }
}

struct Waiting {
    id: String,
    mail: Mail,
    written: Time,
    taken: Instant,
    tries: u32,
    due: Instant,
}

/// A first look at the server.
type Look = Box<dyn FnOnce() + std::marker::Send>;
type Send = Box<dyn Fn(&Letter<'_>) -> Result<(), Unsent> + std::marker::Send>;

impl Postman {
    /// Begins to deliver by this server.
    ///
    /// # Errors
    /// The machine has no thread for it.
    pub(crate) fn start(server: Arc<MailServer>) -> std::io::Result<Self> {
        let first = Arc::clone(&server);
        let look = move || {
            if let Err(error) = first.check() {
                tracing::warn!(%error, "mail cannot be delivered now; it waits and is tried again");
            }
        };
        Self::with(Box::new(look), Box::new(move |letter| server.send(letter)))
    }

    fn with(look: Look, send: Send) -> std::io::Result<Self> {
        let bag = Arc::<Bag>::default();
        let round = Round { bag: Arc::clone(&bag), send, failures: 0, closed_until: None };
        let thread = Builder::new().name("mail".into()).spawn(move || {
            look();
            round.run();
        })?;
        Ok(Self { bag, thread: Mutex::new(Some(thread)) })
    }

    /// Tries what waits once more, and delivers nothing from then on.
    pub(crate) fn stop(&self) {
        self.bag.lock().stopping = true;
        self.bag.changed.notify_one();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that delivers mail has panicked");
        }
    }
}

impl Mailer for Postman {
    fn post(&self, mail: Mail) {
        let (now, random) = (Instant::now(), &mut Draw(&Source::Machine));
        let letter = Waiting {
            id: Handle::random(random).to_string(),
            mail,
            written: Source::Machine.now(),
            taken: now,
            tries: 0,
            due: now,
        };
        let mut inside = self.bag.lock();
        if let Some(why) = inside.refusal(letter.mail.share_of) {
            return letter.is_lost(why);
        }
        tracing::info!(mail = letter.id, subject = letter.mail.subject, "a mail is to be delivered");
        inside.waiting.push_back(letter);
        gauge!("rootward_mails_waiting").set(count(&inside));
        self.bag.changed.notify_one();
    }
}

impl Bag {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn is_worthless(&self, now: Instant) -> bool {
        let seconds = u64::try_from(self.mail.seconds).unwrap_or_default();
        now.duration_since(self.taken) >= Duration::from_secs(seconds)
    }

    fn is_lost(&self, why: &str) {
        counter!("rootward_mails_total", "outcome" => "lost").increment(1);
        tracing::error!(
            mail = self.id,
            subject = self.mail.subject,
            tries = self.tries,
            why,
            "a mail was not delivered and will not be"
        );
    }
}

/// The postman's round.
struct Round {
    bag: Arc<Bag>,
    send: Send,
    /// How often in a row the server could not be used.
    failures: u32,
    closed_until: Option<Instant>,
}

impl Round {
    fn run(mut self) {
        while let Some(letter) = self.next() {
            self.deliver(letter);
        }
    }

    /// The next letter that is due; none when the node stops and all were tried.
    fn next(&self) -> Option<Waiting> {
        let mut inside = self.bag.lock();
        loop {
            let now = Instant::now();
            let stopping = inside.stopping;
            inside.waiting.retain(|letter| {
                let worthless = letter.is_worthless(now);
                if worthless {
                    letter.is_lost("its time is over");
                }
                !worthless
            });
            gauge!("rootward_mails_waiting").set(count(&inside));
            let due = |letter: &Waiting| letter.due.max(self.closed_until.unwrap_or(letter.due));
            let earliest = inside.waiting.iter().enumerate().min_by_key(|(_, letter)| due(letter));
            let Some((place, due)) = earliest.map(|(place, letter)| (place, due(letter))) else {
                if stopping {
                    return None;
                }
                inside = self.bag.changed.wait(inside).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            if due <= now || stopping {
                return inside.waiting.remove(place);
            }
            let waited = self.bag.changed.wait_timeout(inside, due - now);
            inside = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn deliver(&mut self, mut letter: Waiting) {
        letter.tries += 1;
        let Mail { to, subject, text, .. } = &letter.mail;
        let sent = (self.send)(&Letter { id: &letter.id, to, subject, text, time: letter.written });
        let now = Instant::now();
        let (outcome, pause) = match sent {
            Ok(()) => {
                counter!("rootward_mails_total", "outcome" => "delivered").increment(1);
                tracing::info!(mail = letter.id, tries = letter.tries, "a mail was delivered");
                (self.failures, self.closed_until) = (0, None);
                return;
            }
            Err(error @ Unsent::Never(_)) => {
                (self.failures, self.closed_until) = (0, None);
                return letter.is_lost(&error.to_string());
            }
            Err(error @ Unsent::Later(_)) => {
                (self.failures, self.closed_until) = (0, None);
                (error, pause(letter.tries))
            }
            Err(error @ Unsent::Unreachable(_)) => {
                self.failures += 1;
                let pause = pause(self.failures);
                self.closed_until = Some(now + pause);
                (error, pause)
            }
        };
        counter!("rootward_mails_total", "outcome" => "put off").increment(1);
        let mut inside = self.bag.lock();
        if inside.stopping {
            letter.is_lost(&format!("the node stops, and {outcome}"));
            // A server that cannot be used now will not take the others either.
            if self.failures > 0 {
                inside.waiting.drain(..).for_each(|letter| letter.is_lost("the node stops"));
            }
            return;
        }
        tracing::warn!(
            mail = letter.id,
            subject = letter.mail.subject,
            tries = letter.tries,
            seconds = pause.as_secs(),
            why = %outcome,
            "a mail was not delivered and is tried again"
        );
        letter.due = now + pause;
        inside.waiting.push_back(letter);
    }
}

fn pause(tries: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(PAUSE_MAX)
}

fn count(inside: &Inside) -> f64 {
    f64::from(u32::try_from(inside.waiting.len()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn account(number: u64) -> AccountId {
        AccountId::from_number(number).unwrap()
    }

    fn mail(to: &str, seconds: i64) -> Mail {
        Mail {
            share_of: account(1),
            to: to.into(),
            subject: "A subject".into(),
            text: "The code is 123456.".into(),
            seconds,
        }
    }

    /// A postman whose server answers what `answer` says, and the addresses in the order they were tried.
    fn postman(
        answer: impl Fn(&str, usize) -> Result<(), Unsent> + std::marker::Send + 'static,
    ) -> (Postman, mpsc::Receiver<String>) {
        let (tell, told) = mpsc::channel();
        let tries = Mutex::new(0);
        let send = move |letter: &Letter<'_>| {
            *tries.lock().unwrap() += 1;
            tell.send(letter.to.to_owned()).unwrap();
            answer(letter.to, *tries.lock().unwrap())
        };
        let postman = Postman::with(Box::new(|| {}), Box::new(send));
        (postman.unwrap(), told)
    }

    fn next(told: &mpsc::Receiver<String>) -> String {
        told.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    #[test]
    fn letter_is_tried_until_the_server_takes_it() {
        let down = || Err(Unsent::Unreachable("down".into()));
        let (postman, told) = postman(move |_, tries| if tries < 3 { down() } else { Ok(()) });
        postman.post(mail("a@example.com", 60));
        assert_eq!([next(&told), next(&told), next(&told)], ["a@example.com"; 3]);
        postman.stop();
        assert!(told.try_recv().is_err());
    }

    #[test]
    fn letter_that_waits_holds_up_no_other_and_one_that_is_refused_is_not_tried_again() {
        let (postman, told) = postman(|to, _| match to {
            "later@example.com" => Err(Unsent::Later("451".into())),
            "never@example.com" => Err(Unsent::Never("550".into())),
            _ => Ok(()),
        });
        for to in ["never@example.com", "later@example.com", "a@example.com"] {
            postman.post(mail(to, 60));
        }
        assert_eq!(
            [next(&told), next(&told), next(&told)],
            ["never@example.com", "later@example.com", "a@example.com"]
        );
        postman.stop();
        assert_eq!(told.try_iter().collect::<Vec<_>>(), ["later@example.com"]);
    }

    #[test]
    fn letter_past_its_time_is_not_sent() {
        let (postman, told) = postman(|_, _| Ok(()));
        postman.post(mail("late@example.com", 0));
        postman.post(mail("a@example.com", 60));
        assert_eq!(next(&told), "a@example.com");
        postman.stop();
    }

    #[test]
    fn node_that_stops_tries_each_once_more_and_an_unusable_server_once() {
        let (postman, told) = postman(|_, _| Err(Unsent::Unreachable("down".into())));
        postman.post(mail("a@example.com", 60));
        assert_eq!(next(&told), "a@example.com");
        postman.post(mail("b@example.com", 60));
        postman.stop();
        assert!(told.try_iter().count() <= 1);
        // After that nothing is taken.
        postman.post(mail("c@example.com", 60));
        assert!(postman.bag.lock().waiting.is_empty());
    }

    #[test]
    fn only_so_many_wait_and_fewer_of_one_account() {
        let (postman, told) = postman(|_, _| Err(Unsent::Unreachable("down".into())));
        postman.post(mail("a@example.com", 60));
        next(&told);
        let of =
            |number| postman.bag.lock().waiting.iter().filter(|w| w.mail.share_of == account(number)).count();
        for number in 2..20 {
            for _ in 0..WAITING_MAX_OF_ONE + 10 {
                postman.post(Mail { share_of: account(number), ..mail("b@example.com", 60) });
            }
        }
        // One letter may be with the server, or have been between two of these.
        let waiting = postman.bag.lock().waiting.len();
        assert!((WAITING_MAX..=WAITING_MAX + 1).contains(&waiting), "{waiting}");
        for number in [2, 3] {
            assert!((WAITING_MAX_OF_ONE - 1..=WAITING_MAX_OF_ONE).contains(&of(number)), "{number}");
        }
        postman.stop();
    }

    #[test]
    fn pauses_double_up_to_half_a_minute() {
        let pauses = [1, 2, 3, 5, 6, 1_000].map(|tries| pause(tries).as_secs());
        assert_eq!(pauses, [1, 2, 4, 16, 30, 30]);
    }
}
