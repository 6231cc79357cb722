using System.Text;
using KernelGateway.Jupyter;
using KernelGateway.Jupyter.Messaging;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace KernelGateway.Core.Kernels;

/// <summary>
/// Asks a Python kernel that our launcher did not start about its variables, or to keep or restore them: by an expression beside an empty, silent run, so
/// that history, counter and names of the user stay as they are. What answers is the launcher's own code.
/// </summary>
internal sealed class PythonQuestions
{
    private const string Name = "kg";

    // The modules stay no longer than they are needed. The text of the expression's value has quotes around base64, which holds nothing that would be escaped.
    private const string Answer =
        """
        import base64, json, sys, types

        def kg_reply(shell, sources, text):
            before = {name: sys.modules.get(name) for name, _ in sources}
            try:
                for name, source in sources:
                    module = sys.modules[name] = types.ModuleType(name)
                    exec(compile(source, "<kernel gateway: " + name + ">", "exec"), module.__dict__)
                error_content = sys.modules["kernel_types"].error_content
            finally:
                for name in before:
                    if before[name] is None:
                        sys.modules.pop(name, None)
                    else:
                        sys.modules[name] = before[name]
            try:
                reply = json.dumps(dict(module.answer(shell, json.loads(text)), status="ok"), allow_nan=False)
            except BaseException as error:
                reply = json.dumps(error_content(error))
            return base64.b64encode(reply.encode("utf-8", "backslashreplace")).decode("ascii")
        """;

    private static readonly string Code = Base64(Answer);

    private readonly Lazy<string> _sources;

    /// <param name="modules">The launcher's modules in the order in which they import each other; the <c>answer</c> of the last is called.</param>
    private PythonQuestions(params string[] modules) => _sources = new(() => Base64(new JArray(modules.Select(name => new JArray(name, Source(name)))).ToString(Formatting.None)));

    /// <summary>What there are, one's value, setting them.</summary>
    public static PythonQuestions Variables { get; } = new("kernel_types", "kernel_variables");

    /// <summary>Keeping all of them in files, and bringing them back.</summary>
    public static PythonQuestions Snapshot { get; } = new("kernel_types", "kernel_snapshot_outside", "kernel_snapshot_writer", "kernel_snapshot_reader", "kernel_snapshot");

    /// <summary>Puts a question of the form that the launcher answers; the reply has that form too.</summary>
    /// <exception cref="KernelException">The kernel is gone, or its answer is none.</exception>
    public async Task<JupyterMessage> AskAsync(KernelClient client, JObject question, CancellationToken cancellationToken)
    {
        var expression =
            $"(lambda b, kg: (exec(b('{Code}').decode(), kg), kg['kg_reply'](get_ipython(), kg['json'].loads(b('{_sources.Value}')), b('{Base64(question.ToString(Formatting.None))}').decode()))[1])(__import__('base64').b64decode, {{'__name__': 'kernel_gateway'}})";
        var request = new ExecuteRequest("", Silent: true, StoreHistory: false, StopOnError: false) { UserExpressions = new Dictionary<string, string> { [Name] = expression } };
        var reply = await client.RequestAsync(KernelChannel.Shell, client.CreateRequest(MessageTypes.ExecuteRequest, request.ToJson()), cancellationToken);
        return JupyterMessage.Create("kg_reply", Read(reply.Content), "", "", reply);
    }

    private static JObject Read(JObject content)
    {
        var value = content["user_expressions"]?[Name] as JObject;
        if (value?["data"]?["text/plain"] is JValue { Value: string text } && text.Length > 2)
        {
            try
            {
                // Depth is capped by the reader; size by that of the message.
                return LenientJson.ReadObject(Convert.FromBase64String(text[1..^1]));
            }
            catch (Exception e) when (e is FormatException or JsonException)
            {
                throw new KernelException("The kernel's answer cannot be read.", e);
            }
        }

        return value ?? throw new KernelException("The kernel did not answer.");
    }

    private static string Source(string module)
    {
        using var stream = typeof(PythonQuestions).Assembly.GetManifestResourceStream(module + ".py")!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    private static string Base64(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));
}
