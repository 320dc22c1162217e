import Daemon
import KVModel
import Schedule
import TestSupport
import Testing

@Suite struct JobMachineControlTests {
    // MARK: Requests

    @Test("Somebody's request is run at once, and tried again like others")
    func requests() throws {
        var bench = JobBench([JobMachine.Job(name: "m", recurrence: .manual, retry: retries(2))])
        #expect(bench.request("m", at: 5) == (.accepted, ["start m#1 request"]))
        #expect(
            bench.request("m", at: 6) == (.running(JobMachine.Run(id: 1, job: "m", cause: .request)), [])
        )
        #expect(bench.ended(1, .failed, at: 7) == [])
        #expect(try bench.wait().1 == ["start m#2 retry try 2"])
        #expect(bench.ended(2, .failed, at: 30) == [])
        #expect(bench.waitUntil == nil)
        #expect(bench.request("other", at: 31) == (.unknownJob, []))
    }

    @Test("A request does not wait for the next try, but for its turn, and once")
    func requestsWait() {
        var bench = JobBench([every(1000, "a", retry: retries(3)), every(900, "b")], total: 1)
        #expect(bench.advance(900) == ["start b#1 schedule due 900"])
        #expect(bench.request("a", at: 901) == (.accepted, []))
        #expect(bench.request("a", at: 902) == (.waiting, []))
        #expect(bench.ended(1, at: 903) == ["start a#2 request"])
        #expect(bench.ended(2, .failed, at: 904) == [])
        #expect(bench.request("a", at: 905) == (.accepted, ["start a#3 request"]))
    }

    // MARK: Pause

    @Test("Nothing of a paused job begins, what it was due for is left out for good, and what runs ends")
    func pauses() {
        var bench = JobBench([every(60, retry: retries(3))])
        #expect(bench.advance(60) == ["start a#1 schedule due 60"])
        #expect(bench.pause("a", at: 61) == [])
        #expect(bench.ended(1, .failed, at: 62) == [])
        #expect(bench.advance(120) == ["leave out a due 120 paused"])
        #expect(bench.machine.status("a")?.isPaused == true)
        #expect(bench.request("a", at: 130) == (.accepted, ["start a#2 request"]))
        #expect(bench.ended(2, at: 131) == [])
        #expect(bench.resume("a", at: 200) == ["leave out a due 180 paused"])
        #expect(bench.advance(240) == ["start a#3 schedule due 240"])
    }

    @Test("A due time that waits for its turn when its job is paused is left out")
    func pausesWaiting() {
        var bench = JobBench([every(60, "a"), every(60, "b")], total: 1)
        #expect(bench.advance(60) == ["start a#1 schedule due 60"])
        #expect(bench.pause("b", at: 61) == ["leave out b due 60 paused"])
        #expect(bench.pause("b", at: 62) == [])
        #expect(bench.ended(1, at: 63) == [])
    }

    @Test("What runs all the time is stopped by a pause, and begins again afterwards")
    func pausesAlways() {
        var bench = JobBench([always()])
        #expect(bench.advance(0) == ["start a#1 schedule"])
        #expect(bench.pause("a", at: 5) == ["stop a#1 paused"])
        #expect(bench.ended(1, .stopped, at: 6) == [])
        #expect(bench.advance(100) == [])
        #expect(bench.resume("a", at: 101) == ["start a#2 schedule"])
        #expect(bench.pause("a", at: 105) == ["stop a#2 paused"])
        #expect(bench.resume("a", at: 106) == [])
        #expect(bench.ended(2, .stopped, at: 107) == ["start a#3 schedule"])
    }

    @Test("A pause that was written down holds from the start")
    func startsPaused() {
        var bench = JobBench(
            [every(60), always("l")],
            histories: ["a": JobMachine.History(isPaused: true), "l": JobMachine.History(isPaused: true)]
        )
        #expect(bench.advance(0) == [])
        #expect(bench.advance(60) == ["leave out a due 60 paused"])
    }

    // MARK: Reload

    private func backup(_ bucket: String, every seconds: Int64, name: String = "a") -> JobMachine.Job {
        let work = BackupWork(cluster: "east", buckets: [bucket], archive: "main")
        var job = every(seconds, name)
        job.content = JobMachine.Job.Content(work: .backup(work), clusters: [:], archives: [:])
        return job
    }

    @Test("A job that did not change runs on, also with another schedule, which counts from then on")
    func keepsRunning() {
        var bench = JobBench([backup("x", every: 60)])
        #expect(bench.advance(60) == ["start a#1 schedule due 60"])
        #expect(bench.reload([backup("x", every: 60)], at: 61) == [])
        #expect(bench.waitUntil == 120)
        #expect(bench.reload([backup("x", every: 1000)], at: 62) == [])
        #expect(bench.waitUntil == 1000)
        #expect(bench.machine.status("a")?.phase == .running)
        #expect(bench.ended(1, at: 70) == [])
        #expect(bench.advance(1000) == ["start a#2 schedule due 1000"])
    }

    @Test("A run whose job changed is stopped and begins anew, unless it had just succeeded")
    func beginsAnew() {
        var bench = JobBench([backup("x", every: 60)])
        #expect(bench.advance(60) == ["start a#1 schedule due 60"])
        #expect(bench.reload([backup("y", every: 60)], at: 61) == ["stop a#1 changed"])
        #expect(bench.reload([backup("y", every: 60)], at: 62) == [])
        #expect(bench.ended(1, .stopped, at: 63) == ["start a#2 schedule due 60"])
        #expect(bench.reload([backup("z", every: 60)], at: 64) == ["stop a#2 changed"])
        #expect(bench.ended(2, .succeeded, at: 65) == [])
        #expect(bench.waitUntil == 120)
    }

    @Test("A job that is gone is stopped; if it comes back, it waits for that run's end")
    func removes() {
        var bench = JobBench([always(), every(60, "b")], total: 1)
        #expect(bench.advance(0) == ["start a#1 schedule"])
        #expect(bench.reload([every(60, "b")], at: 1) == ["stop a#1 removed"])
        #expect(bench.machine.status("a") == nil)
        #expect(bench.reload([always(), every(60, "b")], at: 2) == [])
        #expect(bench.ended(1, .failed, at: 3) == ["start a#2 schedule"])
        #expect(bench.machine.status("a")?.failures == 0)
        #expect(bench.reload([], at: 4) == ["stop a#2 removed"])
        #expect(bench.ended(2, .stopped, at: 5) == [])
        #expect(bench.waitUntil == nil)
    }

    @Test("A job may become one that runs all the time, and back")
    func changesKind() {
        var bench = JobBench([every(60)])
        #expect(bench.advance(60) == ["start a#1 schedule due 60"])
        #expect(bench.reload([always()], at: 61) == ["stop a#1 changed"])
        #expect(bench.ended(1, .stopped, at: 62) == ["start a#2 schedule"])
        #expect(bench.reload([every(60)], at: 63) == ["stop a#2 changed"])
        #expect(bench.ended(2, .stopped, at: 64) == [])
        #expect(bench.waitUntil == 120)
    }

    @Test("New limits hold at once")
    func changesLimits() {
        var bench = JobBench([every(60, "a"), every(60, "b")], total: 1)
        #expect(bench.advance(60) == ["start a#1 schedule due 60"])
        #expect(bench.reload([every(60, "a"), every(60, "b")], total: 2, at: 61) == ["start b#2 schedule due 60"])
    }

    // MARK: Leases

    @Test("Without its lease no job begins, and what was due is another daemon's")
    func needsLease() {
        var bench = JobBench([every(60), always("l")], usesLeases: true)
        #expect(bench.advance(0) == [])
        #expect(bench.advance(60) == [])
        #expect(bench.request("a", at: 61) == (.noLease, []))
        #expect(bench.gained("l", at: 70) == ["start l#1 schedule"])
        #expect(bench.gained("a", at: 70) == [])
        #expect(bench.advance(120) == ["start a#2 schedule due 120"])
    }

    @Test("With a lease comes the last due time that the daemon before has run")
    func takesOver() {
        var bench = JobBench([every(60), every(60, "b")], usesLeases: true, at: 1)
        #expect(bench.advance(130) == [])
        #expect(bench.gained("a", lastDue: 60, at: 130) == ["start a#1 schedule due 120"])
        #expect(bench.gained("b", lastDue: 120, at: 130) == [])
        #expect(bench.gained("b", lastDue: 0, at: 131) == [])
        var late = JobBench([every(600)], usesLeases: true)
        #expect(late.gained("a", lastDue: 600, at: 5000) == ["start a#1 missed due 4800"])
    }

    @Test("When it is lost a run ends at once, is not tried again, and what waits is forgotten")
    func losesLease() {
        var bench = JobBench([every(60, overlap: .queue, retry: retries(3)), always("l")], usesLeases: true)
        #expect(bench.gained("a", at: 0) == [])
        #expect(bench.gained("l", at: 0) == ["start l#1 schedule"])
        #expect(bench.advance(60) == ["start a#2 schedule due 60"])
        #expect(bench.advance(120) == [])
        #expect(bench.lost("a", at: 121) == ["stop a#2 leaseLost"])
        #expect(bench.lost("l", at: 121) == ["stop l#1 leaseLost"])
        #expect(bench.ended(2, .failed, at: 122) == [])
        #expect(bench.ended(1, .stopped, at: 122) == [])
        #expect(bench.advance(200) == [])
        #expect(bench.machine.status("a")?.hasLease == false)
    }

    @Test("A lease that comes back waits for the run that is being stopped")
    func regainsLease() {
        var bench = JobBench([always()], usesLeases: true)
        #expect(bench.gained("a", at: 0) == ["start a#1 schedule"])
        #expect(bench.lost("a", at: 5) == ["stop a#1 leaseLost"])
        #expect(bench.gained("a", at: 6) == [])
        #expect(bench.ended(1, .stopped, at: 7) == ["start a#2 schedule"])
    }

    @Test("A run that was to stop at a checkpoint must end at once when its lease is lost")
    func losesLeaseWhileStopping() {
        var bench = JobBench([every(60, timeout: 10)], usesLeases: true)
        #expect(bench.gained("a", at: 0) == [])
        #expect(bench.advance(60) == ["start a#1 schedule due 60"])
        #expect(bench.advance(70) == ["stop a#1 timeout"])
        #expect(bench.lost("a", at: 71) == ["stop a#1 leaseLost"])
        #expect(bench.lost("a", at: 72) == [])
    }

    @Test("What is left to another daemon comes to a checkpoint, and is not begun again")
    func handsOver() {
        var bench = JobBench([every(60, overlap: .queue), always("l"), every(60, "b")], usesLeases: true)
        #expect(bench.gained("a", at: 0) == [])
        #expect(bench.gained("l", at: 0) == ["start l#1 schedule"])
        #expect(bench.handedOver("a", at: 10) == [])
        #expect(bench.handedOver("l", at: 10) == ["stop l#1 handedOver"])
        #expect(bench.handedOver("b", at: 10) == [])
        #expect(bench.ended(1, .stopped, at: 11) == [])
        #expect(bench.lost("l", at: 12) == [])
        #expect(bench.advance(200) == [])
        #expect(bench.gained("l", at: 201) == ["start l#2 schedule"])
        #expect(bench.gained("a", lastDue: 120, at: 201) == ["start a#3 schedule due 180"])
    }

    @Test("A run that is already to stop is not told again when its job is left to another daemon")
    func handsOverWhileStopping() {
        var bench = JobBench([always()], usesLeases: true)
        #expect(bench.gained("a", at: 0) == ["start a#1 schedule"])
        #expect(bench.handedOver("a", at: 1) == ["stop a#1 handedOver"])
        #expect(bench.handedOver("a", at: 2) == [])
        #expect(bench.lost("a", at: 3) == ["stop a#1 leaseLost"])
    }

    // MARK: Stop

    @Test("A daemon that is to end stops what runs, begins nothing, and is finished with the last run")
    func stops() {
        var bench = JobBench([every(60, "a", retry: retries(3)), always("l"), every(60, "b")], total: 1)
        #expect(bench.advance(0) == ["start l#1 schedule"])
        #expect(bench.advance(60) == ["start a#2 schedule due 60"])
        #expect(bench.stop(at: 61) == ["stop l#1 stop", "stop a#2 stop"])
        #expect(bench.request("b", at: 62) == (.stopping, []))
        #expect(bench.machine.isFinished == false)
        #expect(bench.ended(1, .stopped, at: 63) == [])
        #expect(bench.ended(2, .failed, at: 64) == [])
        #expect(bench.advance(1000) == [])
        #expect(bench.machine.isFinished)
        #expect(bench.waitUntil == nil)
    }

    // MARK: Settings

    @Test("Of a configuration's jobs it knows clusters, and what archive is written")
    func readsSettings() {
        var configuration = DaemonConfiguration(path: "cistern.yaml")
        configuration.archives["main"] = ArchiveSettings(path: "/data/main.cistern")
        configuration.clusters["east"] = ClusterSettings()
        configuration.clusters["east"]?.concurrency = 2
        configuration.clusters["west"] = ClusterSettings()
        let backup = BackupWork(cluster: "east", buckets: ["*"], archive: "main")
        var settings = JobSettings(name: "nightly", work: .backup(backup), schedule: .manual, line: 1)
        settings.jitter = 5
        settings.timeout = 6
        let job = JobMachine.Job(settings, in: configuration)
        #expect(job.name == "nightly" && job.jitter == 5 && job.timeout == 6)
        #expect(job.clusters == ["east"] && job.archive == "/data/main.cistern")
        // Its line and whom it tells are nothing to the run.
        settings.line = 9
        #expect(JobMachine.Job(settings, in: configuration) == job)
        configuration.clusters["east"]?.domain = "hub"
        #expect(JobMachine.Job(settings, in: configuration).content != job.content)

        settings.work = .verify(VerifyWork(archive: "main"))
        #expect(JobMachine.Job(settings, in: configuration).archive == nil)
        settings.work = .drill(DrillWork(archive: "main", cluster: "west"))
        #expect(JobMachine.Job(settings, in: configuration).clusters == ["west"])
        #expect(JobMachine.Limits(configuration) == JobMachine.Limits(total: 4, clusters: ["east": 2]))
    }
}
