// Runs pipeline files as Jenkins does (transformed by groovy-cps, serialized at every block), with JenkinsPipelineUnit. The steps are
// the test's: each goes out as a line of JSON on stdout and waits for its answer, a line on stdin. So Java needs no tool of ours.
import com.cloudbees.groovy.cps.CpsDefaultGroovyMethods
import com.cloudbees.groovy.cps.CpsDefaultGroovyStaticMethods
import com.cloudbees.groovy.cps.CpsStringGroovyMethods
import com.lesfurets.jenkins.unit.cps.BasePipelineTestCPS
import groovy.json.JsonOutput
import groovy.json.JsonSlurperClassic

class Pipeline extends BasePipelineTestCPS {
}

class StepFailed extends Exception {
    StepFailed(String message) { super(message) }
    String toString() { message }
}

// Jenkins can write a loop over a list to disk; Java's own iterators can't be.
class Iterators {
    static class OverList implements Iterator, Serializable {
        List list
        int at = 0
        boolean hasNext() { at < list.size() }
        Object next() { list[at++] }
    }
    static Iterator iterator(List list) { new OverList(list: list) }
    static Iterator iterator(Map map) { new OverList(list: map.collect { key, value -> new MapEntry(key, value) }) }
}

class Wire {
    PrintStream out
    Reader lines
    Map read() { def line = lines.readLine(); line == null ? null : new JsonSlurperClassic().parseText(line) as Map }
    void write(Map message) { out.println(JsonOutput.toJson(message)); out.flush() }
    Object ask(String step, Object arguments) {
        write([step: step, arguments: arguments])
        def answer = read()
        if (answer.error) { throw new StepFailed(answer.error as String) }
        answer.value
    }
}

class Run {
    static final SIMPLE = [
        sh: [String, Map], error: [String], writeFile: [Map], copyArtifacts: [Map], archiveArtifacts: [Map], stash: [Map], unstash: [String],
        mail: [Map], build: [Map], input: [Map], checkout: [Map],
    ]
    static final BLOCKS = [node: String, stage: String, lock: String, withEnv: List]
    static final VALUES = ['string', 'text', 'booleanParam']

    static void of(Wire wire, Map request) {
        def test = new Pipeline()
        test.setUp()
        def helper = test.helper
        def block = { String step, argument, Closure body ->
            wire.ask("enter ${step}", argument)
            try { return helper.callClosure(body) } finally { wire.ask("leave ${step}", argument) }
        }
        SIMPLE.each { step, types -> types.each { type -> helper.registerAllowedMethod(step, [type], { wire.ask(step, it) }) } }
        BLOCKS.each { step, type -> helper.registerAllowedMethod(step, [type, Closure], { argument, body -> block(step, argument, body) }) }
        VALUES.each { kind -> helper.registerAllowedMethod(kind, [Map], { it }) }
        helper.registerAllowedMethod('pwd', [], { wire.ask('pwd', null) })
        helper.registerAllowedMethod('lastSuccessful', [], { 'lastSuccessful' })
        helper.registerAllowedMethod('parallel', [Map], { branches ->
            wire.ask('enter parallel', branches.keySet() as List)
            branches.each { name, body -> block('branch', name, body) }
            wire.ask('leave parallel', [])
        })
        helper.registerAllowedMethod('load', [String], { path -> helper.runScript(wire.ask('load', path) as String, test.binding) })
        ['params', 'env'].each { test.binding.setVariable(it, new LinkedHashMap(request[it] as Map)) }
        test.binding.setVariable('scm', [:])
        test.binding.setVariable('currentBuild', [:])
        use(Iterators, CpsDefaultGroovyMethods, CpsDefaultGroovyStaticMethods, CpsStringGroovyMethods) {
            helper.runScript(request.file as String, test.binding)
        }
    }
}

// Writes down what a file in Job DSL calls, closures inside closures.
class Calls {
    List calls = []
    def methodMissing(String name, arguments) {
        def given = arguments as List
        def body = given && given[-1] instanceof Closure ? given.removeAt(given.size() - 1) : null
        def within = new Calls()
        if (body) {
            body.delegate = within
            body.resolveStrategy = Closure.DELEGATE_FIRST
            body()
        }
        calls << [name: name, arguments: given, inside: within.calls]
        null
    }
    static List of(String file, Map variables) {
        def calls = new Calls()
        def script = new GroovyShell(new Binding(variables)).parse(new File(file))
        script.metaClass.pipelineJob = { String name, Closure body -> calls.methodMissing('pipelineJob', [name, body]) }
        script.run()
        calls.calls
    }
}

def wire = new Wire(out: System.out, lines: System.in.newReader())
System.out = System.err
for (def request = wire.read(); request != null; request = wire.read()) {
    try {
        if (request.jobs) {
            wire.write([calls: Calls.of(request.jobs as String, request.binding as Map)])
        } else {
            Run.of(wire, request)
            wire.write([ended: ''])
        }
    } catch (Throwable failure) {
        def cause = failure
        while (cause.cause) { cause = cause.cause }
        wire.write([ended: cause.toString()])
    }
}
