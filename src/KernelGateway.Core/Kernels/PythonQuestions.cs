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

    // Text of an expression's value: quotes around base64, which holds nothing that would be escaped.
    private const string Answer =
        """

        def kg_reply(shell, text):
            import base64
            try:
                reply = dict(answer(shell, json.loads(text)), status="ok")
                reply = json.dumps(reply, allow_nan=False)
            except BaseException as error:
                reply = json.dumps({"status": "error", "ename": type(error).__name__, "evalue": str(error)[:1000]})
            return base64.b64encode(reply.encode("utf-8", "backslashreplace")).decode("ascii")
        """;

    private readonly Lazy<string> _source;

    /// <param name="file">The launcher's file whose <c>answer</c> is to be called.</param>
    private PythonQuestions(string file) => _source = new(() =>
    {
        using var stream = typeof(PythonQuestions).Assembly.GetManifestResourceStream(file)!;
        using var reader = new StreamReader(stream);
        return Base64(reader.ReadToEnd() + Answer);
    });

    /// <summary>What there are, one's value, setting them.</summary>
    public static PythonQuestions Variables { get; } = new("kernel_variables.py");

    /// <summary>Keeping all of them in files, and bringing them back.</summary>
    public static PythonQuestions Snapshot { get; } = new("kernel_snapshot.py");

    /// <summary>Puts a question of the form that the launcher answers; the reply has that form too.</summary>
    /// <exception cref="KernelException">The kernel is gone, or its answer is none.</exception>
    public async Task<JupyterMessage> AskAsync(KernelClient client, JObject question, CancellationToken cancellationToken)
    {
        var expression =
            $"(lambda b, kg: (exec(b('{_source.Value}').decode(), kg), kg['kg_reply'](get_ipython(), b('{Base64(question.ToString(Formatting.None))}').decode()))[1])(__import__('base64').b64decode, {{'__name__': 'kernel_gateway'}})";
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

    private static string Base64(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));
}
